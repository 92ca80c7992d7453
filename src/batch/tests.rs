use super::*;

mod delivery;
mod limits;
