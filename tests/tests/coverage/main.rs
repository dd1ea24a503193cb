//! What a CRM is asked to do, point by point: the page `docs/coverage.md` names for each point the test that proves it, here or elsewhere.

mod activities;
mod customers;
mod page;
mod projects;
mod sales;
mod service;
