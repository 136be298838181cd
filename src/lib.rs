//! A small peer-to-peer network of miners that keeps one shared, append-only list of messages.
//!
//! A few named threads share three small locked things (chain, data, neighbours); a child
//! process speaks HTTP for them; whatever was acknowledged is on disc.
//!
//! The rooms, from the ground up; imports go down only:
//!
//! | floor | room | what it does |
//! |---|---|---|
//! | 0 | [`chain`] | blocks, rules, fork choice, waiting data; pure |
//! | 1 | [`store`] | chain file, older versions and journal, safe against crashes and damage |

pub mod chain;
pub mod store;
