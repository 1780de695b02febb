use super::*;
use proptest::prelude::*;

fn range(text: &str) -> Range {
    text.parse().unwrap_or_else(|bad| panic!("{bad}"))
}

#[test]
fn ranges_are_read_as_people_write_them() {
    for (text, first, last, count) in [
        ("10.0.0.0/24", "10.0.0.0", "10.0.0.255", 256),
        ("10.0.0.77/24", "10.0.0.0", "10.0.0.255", 256),
        ("10.0.1.5-10.0.1.90", "10.0.1.5", "10.0.1.90", 86),
        (" 10.0.1.5 - 10.0.1.5 ", "10.0.1.5", "10.0.1.5", 1),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7", 1),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 1 << 32),
        ("2001:db8::/120", "2001:db8::", "2001:db8::ff", 256),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", u64::MAX),
    ] {
        let it = range(text);
        assert_eq!((it.first().to_string(), it.last().to_string(), it.count()), (first.to_owned(), last.to_owned(), count), "{text}");
        let (low, high) = it.keys();
        assert_eq!(Range::of_keys(&low, &high), Some(it));
    }
    assert_eq!(range("10.0.0.0/30").to_string(), "10.0.0.0-10.0.0.3");
    assert_eq!(range("10.0.0.9/32").to_string(), "10.0.0.9");
    for text in ["", "10.0.0", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-::5", "10.0.0.0/24/3", "the lab", "10.0.0.1-", "::/129"] {
        assert!(text.parse::<Range>().is_err_and(|bad| bad.to_string().contains(text)), "{text}");
    }
}

#[test]
fn what_is_taken_out_is_out_and_the_rest_stays() {
    let texts = |ranges: &[Range]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = united(vec![range("10.0.0.128/25"), range("10.0.0.0/25"), range("10.0.0.7"), range("10.0.2.0/30")]);
    assert_eq!(texts(&all), ["10.0.0.0-10.0.0.255", "10.0.2.0-10.0.2.3"]);
    let left = without(&all, &[range("10.0.0.0"), range("10.0.0.10-10.0.0.19"), range("10.0.0.250-10.0.2.1")]);
    assert_eq!(texts(&left), ["10.0.0.1-10.0.0.9", "10.0.0.20-10.0.0.249", "10.0.2.2-10.0.2.3"]);
    assert_eq!(without(&all, &[range("0.0.0.0/0")]), []);
    assert_eq!(without(&all, &[range("::/0")]), all, "all of IPv6 is not IPv4 as well");
}

#[test]
fn slices_become_smaller_and_none_is_longer_than_its_time() {
    let slices = cut(&[range("10.0.0.0/20")], 10, Duration::from_millis(20));
    let sizes: Vec<u64> = slices.iter().map(Range::count).collect();
    assert_eq!(sizes.first(), Some(&205), "a half of the tenth of 4096");
    assert!(sizes.windows(2).all(|two| two[0] >= two[1]), "{sizes:?}");
    assert!(sizes[..sizes.len() - 1].iter().all(|size| *size >= SLICE_ADDRESSES_MIN));
    let slow = cut(&[range("10.0.0.0/16")], 1, Duration::from_secs(10));
    assert!(slow.iter().all(|it| it.count() <= 30), "five minutes at ten seconds each");
    assert!(cut(&[range("10.0.0.0/14")], 1, Duration::from_millis(1)).iter().all(|it| it.count() <= SLICE_ADDRESSES_MAX));
}

#[test]
fn a_machine_is_in_the_networks_of_its_addresses() {
    let row = |fields: &[(&str, &str)]| -> Row { fields.iter().map(|(k, v)| ((*k).to_owned(), serde_json::json!(v))).collect() };
    let rows = [
        row(&[("ipaddress", "10.3.7.20"), ("ipmask", "255.255.252.0")]),
        row(&[("ipaddress6", "2001:db8::7"), ("ipmask6", "ffff:ffff:ffff:ffff::")]),
        row(&[("ipaddress", "127.0.0.1"), ("ipmask", "255.0.0.0")]),
        row(&[("ipaddress", "10.9.9.9")]),
    ];
    let found: Vec<String> = networks(&rows).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.3.4.0-10.3.7.255", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"]);
    assert_eq!(usual_network("10.3.7.20".parse().expect("an address")).map(|it| it.to_string()), Some("10.3.7.0-10.3.7.255".to_owned()));
}

proptest! {
    #[test]
    fn slices_have_each_address_once_and_no_other(
        starts in prop::collection::vec((0_u32..5_000, 0_u32..700), 1..8),
        out in prop::collection::vec((0_u32..6_000, 0_u32..300), 0..4),
        living in 0_usize..40,
        worst in 1_u64..20_000,
    ) {
        let ip = |n: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
        let of = |(from, more): (u32, u32)| Range::new(ip(from), ip(from + more)).expect("in order");
        let wanted: std::collections::BTreeSet<u32> = starts.iter().flat_map(|(from, more)| *from..=from + more)
            .filter(|n| !out.iter().any(|(from, more)| (*from..=from + more).contains(n))).collect();
        let ranges = without(&united(starts.into_iter().map(of).collect()), &out.into_iter().map(of).collect::<Vec<_>>());
        prop_assert_eq!(count(&ranges), wanted.len());
        let slices = cut(&ranges, living, Duration::from_millis(worst));
        let mut found = Vec::new();
        for slice in &slices {
            found.extend(slice.addresses());
        }
        let expected: Vec<IpAddr> = wanted.into_iter().map(ip).collect();
        prop_assert_eq!(found, expected);
    }

    /// Agents that take one slice after the other, all as fast: each has an equal share, up to the largest slice.
    #[test]
    fn equal_agents_have_equal_shares(size in 1_u32..60_000, agents in 1_usize..30) {
        let ip = |n: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
        let all = [Range::new(ip(0), ip(size - 1)).expect("in order")];
        let slices = cut(&all, agents, Duration::from_millis(20));
        let mut done = vec![0_u64; agents];
        for slice in &slices {
            let next = (0..agents).min_by_key(|n| done[*n]).expect("some");
            done[next] += slice.count();
        }
        let largest = slices.iter().map(Range::count).max().unwrap_or(0);
        let share = u64::from(size) / agents as u64;
        for own in done {
            prop_assert!(own + largest >= share && own <= share + largest, "{own} of {size} for one of {agents}");
        }
    }
}
