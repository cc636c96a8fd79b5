//! What the documentation says holds.

mod commands;
