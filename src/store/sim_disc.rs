//! A disc for tests.
