//! Write a bllvm module: one trait and one run call.
