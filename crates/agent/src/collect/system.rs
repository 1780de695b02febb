//! What only the kernel tells: addresses, free space, the architecture. The only unsafe code of the agent.
#![expect(unsafe_code, reason = "getifaddrs, statvfs, uname and malloc_trim have no safe form in the standard library")]

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
    /// Its network mask, of the same family.
    pub mask: IpAddr,
}

/// Size and free space of a file system, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// All of it.
    pub total: u64,
    /// What an ordinary user may still fill.
    pub free: u64,
}

/// Interfaces' addresses kept, so that a strange host cannot make the list endless.
const ADDRESSES_MAX: usize = 10_000;

/// All addresses of all interfaces, in the kernel's order; none when the kernel does not tell.
pub(crate) fn addresses() -> Vec<Address> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes a pointer to a list that stays valid until freeifaddrs below.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut entry = list;
    while !entry.is_null() && found.len() < ADDRESSES_MAX {
        // SAFETY: `entry` is not null and points into the list, which is not yet freed.
        let item = unsafe { &*entry };
        // SAFETY: the name is a string ended by NUL; the two addresses are null or point to a sockaddr of the list.
        let address = unsafe { (CStr::from_ptr(item.ifa_name), ip_of(item.ifa_addr), ip_of(item.ifa_netmask)) };
        if let (name, Some(ip), Some(mask)) = address {
            found.push(Address { interface: name.to_string_lossy().into_owned(), ip, mask });
        }
        entry = item.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs, is freed once and not used afterwards.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// The IP address in a socket address; none for null and other families.
///
/// # Safety
/// `address` is null or points to a socket address as long as its family says.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and every socket address begins with its family.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in; read without assuming its alignment.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, with sockaddr_in6.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

/// Size and free space of the file system that is mounted at `path`.
pub(crate) fn space(path: &Path) -> Option<Space> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut answer = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` is ended by NUL and `answer` is large enough; it is read only when the call succeeded.
    let answer = unsafe {
        if libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) != 0 {
            return None;
        }
        answer.assume_init()
    };
    let block = if answer.f_frsize > 0 { answer.f_frsize } else { answer.f_bsize };
    Some(Space { total: answer.f_blocks.saturating_mul(block), free: answer.f_bavail.saturating_mul(block) })
}

/// The kernel's word for the architecture, such as `x86_64`.
pub(crate) fn architecture() -> Option<String> {
    let mut answer = std::mem::MaybeUninit::<libc::utsname>::uninit();
    // SAFETY: `answer` is large enough and read only after success; uname ends its texts by NUL.
    unsafe {
        if libc::uname(answer.as_mut_ptr()) != 0 {
            return None;
        }
        let answer = answer.assume_init();
        Some(CStr::from_ptr(answer.machine.as_ptr()).to_string_lossy().into_owned())
    }
}

/// Gives memory that a collection needed for a moment back to the system.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback_address_and_a_root_of_some_size() {
        let loopback = addresses().into_iter().find(|a| a.ip == IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("127.0.0.1");
        assert_eq!(loopback.mask, IpAddr::V4(Ipv4Addr::new(255, 0, 0, 0)));
        let space = space(Path::new("/")).expect("root");
        assert!(space.total > 0 && space.free <= space.total);
        assert_eq!(super::space(Path::new("/not/here")), None);
        assert!(architecture().is_some_and(|a| !a.is_empty()));
    }
}
