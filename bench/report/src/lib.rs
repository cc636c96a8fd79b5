//! What runs measured, for people: as HTML, Markdown and text from one model ([`report`]), and the tables of single commands ([`terminal`]).
//!
//! All of it is a function of records, and of the page that it is made for. It touches no guest and no socket, and knows no scenario but its
//! text.

pub mod report;
pub mod terminal;
