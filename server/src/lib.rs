//! The server around the libraries: command line, configuration, HTTP, authentication, start and stop.

pub mod admin;
pub mod app;
pub mod auth;
pub mod cli;
mod command;
pub mod config;
mod demo;
pub mod http;
mod mail;
mod plugin;

pub use command::run;
