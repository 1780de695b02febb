//! Every limit, named with its unit. Relations between them are asserted at compile time.

/// A request body of an agent, as it comes over the wire, bytes.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// A body after inflating, bytes.
pub const INFLATED_BYTES_MAX: usize = 64 << 20;
/// All inflated bodies that are being worked on at once, bytes.
pub const INFLATED_IN_FLIGHT_BYTES_MAX: usize = 96 << 20;
/// A request body of a person or script, bytes.
pub const API_BODY_BYTES_MAX: usize = 1 << 20;
/// Depth of nested elements in a foreign document.
pub const DOCUMENT_DEPTH_MAX: usize = 16;
/// Elements in a foreign document.
pub const DOCUMENT_ELEMENTS_MAX: usize = 200_000;
/// One field of a foreign document, bytes; longer ones are cut, with a finding.
pub const FIELD_BYTES_MAX: usize = 64 << 10;
/// Sections of one inventory.
pub const SECTIONS_MAX: usize = 200;
/// Oddities kept of one document.
pub const FINDINGS_MAX: usize = 50;
/// A device id of a foreign agent, bytes.
pub const DEVICEID_BYTES_MAX: usize = 255;
/// Rows of one page of a list.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Rows of one page unless asked for otherwise.
pub const PAGE_ROWS_DEFAULT: usize = 50;
/// A total that is counted exactly; above it the API says `null`.
pub const TOTAL_COUNTED_MAX: i64 = 10_000;
/// The same for lists of devices and agents, on which people act in bulk and must be told the number.
pub const FLEET_COUNTED_MAX: i64 = 1_000_000;
/// Rows of one answer in CSV.
pub const CSV_ROWS_MAX: usize = 100_000;
/// Versions of one program that are compared.
pub const PROGRAM_VERSIONS_MAX: usize = 10_000;
/// Arrivals of programs on devices that are looked at for 'what appeared'; a longer period is answered from its end.
pub const APPEARED_ROWS_MAX: usize = 100_000;
/// Entries of history that are looked at for one page of changes.
pub const HISTORY_LOOKED_AT_MAX: usize = 1_000;
/// Entries of history that are undone to see a device as it was.
pub const HISTORY_UNDONE_MAX: usize = 10_000;
/// Steps of one task.
pub const TASK_STEPS_MAX: usize = 100;
/// A task document, bytes.
pub const TASK_BYTES_MAX: usize = 256 << 10;
/// A query's text, bytes.
pub const QUERY_BYTES_MAX: usize = 4 << 10;
/// Terms of one query.
pub const QUERY_TERMS_MAX: usize = 200;
/// Attempts of one assignment.
pub const ATTEMPTS_MAX: u32 = 20;
/// Output of one attempt kept in the database, bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// Targets above which a start needs their number to be said.
pub const SIZE_GUARD_TARGETS: usize = 100;
/// Orders in one answer to one agent.
pub const ORDERS_PER_CONTACT_MAX: usize = 32;
/// Names, labels and notes of people's things, characters.
pub const NAME_CHARS_MAX: usize = 200;
/// Free text such as notes and descriptions, characters.
pub const NOTES_CHARS_MAX: usize = 4_000;
/// Commands that wait for the writer; agents are told to come back beyond.
pub const WRITER_QUEUE_MAX: usize = 1_024;
/// Commands in one transaction of the embedded database.
pub const BATCH_COMMANDS_MAX: usize = 256;
/// Longest a long poll of an agent is held, seconds.
pub const LONG_POLL_SECONDS_MAX: u64 = 55;
/// Documents of one kind that came unasked and are kept of one agent; the oldest goes.
pub const KEPT_DOCUMENTS_MAX: usize = 20;
/// A document that came unasked and is kept, unpacked, bytes; larger ones are answered and not kept.
pub const KEPT_DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Tasks an agent may tell of, and actions a person may switch off.
pub const CAPACITIES_MAX: usize = 50;
/// The name of a task, bytes.
pub const CAPACITY_BYTES_MAX: usize = 60;
/// Proxy agents one message came through; GLPI's stop at 5.
pub const PROXIES_MAX: usize = 8;
/// Requests of agents that were answered 'pending' and whose outcome is kept.
pub const PENDING_REQUESTS_MAX: usize = 1_024;

const _: () = assert!(BODY_BYTES_MAX <= INFLATED_BYTES_MAX);
const _: () = assert!(INFLATED_BYTES_MAX <= INFLATED_IN_FLIGHT_BYTES_MAX);
const _: () = assert!(PAGE_ROWS_DEFAULT <= PAGE_ROWS_MAX);
