//! What strangers told at their CONTACT, until their first inventory makes them known. In memory, bounded: a contact alone
//! creates nothing, and what is forgotten is told again at the next one.

use muster_engine::glpi::Contact;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Strangers remembered.
const CALLERS_MAX: usize = 1_024;

/// Contacts by DEVICEID.
#[derive(Default)]
pub(crate) struct Callers {
    contacts: Mutex<BTreeMap<String, Contact>>,
}

impl Callers {
    /// Remembers a stranger's contact.
    pub(crate) fn note(&self, contact: Contact) {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        if contacts.len() >= CALLERS_MAX && !contacts.contains_key(&contact.hello.foreign_id) {
            contacts.pop_first();
        }
        contacts.insert(contact.hello.foreign_id.clone(), contact);
    }

    /// Takes what a stranger told.
    pub(crate) fn take(&self, device_id: &str) -> Option<Contact> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner).remove(device_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::fleet::Protocol;
    use muster_engine::contact::Hello;

    fn contact(id: &str) -> Contact {
        let hello =
            Hello { protocol: Protocol::Glpi, foreign_id: id.to_owned(), version: None, address: None, vouched: false, packages: false };
        Contact { hello, glpi_id: None, installed: Vec::new(), enabled: Vec::new(), port: None, proxies: Vec::new() }
    }

    #[test]
    fn a_contact_is_remembered_once_and_their_number_is_bounded() {
        let callers = Callers::default();
        callers.note(contact("a"));
        assert_eq!(callers.take("a"), Some(contact("a")));
        assert_eq!(callers.take("a"), None);
        (0..=CALLERS_MAX).for_each(|i| callers.note(contact(&format!("{i:05}"))));
        assert_eq!(callers.contacts.lock().expect("whole").len(), CALLERS_MAX);
        assert!(callers.take(&format!("{CALLERS_MAX:05}")).is_some(), "the newest is there");
    }
}
