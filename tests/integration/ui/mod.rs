//! Pages: without scripts, and in Chromium.

mod browser;
mod lesson;
mod live;
mod miners;
mod pages;
mod paint;
mod readers;
