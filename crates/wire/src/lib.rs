//! Every format, foreign or native: bytes to values and back. No sockets.
//!
//! Lives here: bodies as they come over the wire ([`body`]), character sets ([`text`]), the XML of OCS, FusionInventory and GLPI
//! agents ([`legacy`]), GLPI's JSON ([`glpi`], [`glpi_message`], [`glpi_content`]), and Muster's own agent
//! ([`native`], [`order`], [`channel`]). Absent on purpose: HTTP, files, clocks, and the rules about what to answer.

pub mod body;
pub mod bounds;
pub mod channel;
pub mod crash;
pub mod deploy;
pub mod glpi;
pub mod glpi_content;
pub mod glpi_message;
pub mod keys;
pub mod legacy;
pub mod native;
pub mod ocs_package;
pub mod order;
pub mod text;
