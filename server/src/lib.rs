//! The server around the libraries: command line, configuration, HTTP, start and stop.

pub mod app;
pub mod cli;
mod command;
pub mod config;
mod demo;
pub mod http;
mod mail;
mod plugin;

pub use command::run;
