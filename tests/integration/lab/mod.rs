//! A classroom.

mod browser;
mod class;
