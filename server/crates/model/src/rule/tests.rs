//! Rules as people write them: what is accepted, what is refused and why, and what each gives.

mod arithmetic;
mod checking;
mod fixture;
mod limits;
mod logic;
mod page;
