//! Every limit, named with its unit. Relations between them are asserted at compile time.

/// A request body of an agent, as it comes over the wire, bytes.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// A body after inflating, bytes: the most that can be configured.
pub const INFLATED_BYTES_MAX: usize = 64 << 20;
/// A body after inflating, bytes, unless configured otherwise. The largest real inventories have a few megabytes.
pub const INFLATED_BYTES_DEFAULT: usize = 8 << 20;
/// How many times larger than it came a body may get, once it is larger than [`RATIO_FROM_BYTES`]. Inventories: 7 to 13
/// (`docs/protocols/ocs.md`, "Bodies"); a bomb of zlib: 1,030.
pub const INFLATED_RATIO_MAX: usize = 200;
/// Below this size the ratio does not matter, bytes.
pub const RATIO_FROM_BYTES: usize = 1 << 20;
/// What all documents that are being worked on may take at once, bytes.
pub const INFLATED_IN_FLIGHT_BYTES_MAX: usize = 96 << 20;
/// What a document is reckoned to take, in times of its own size: itself, its rows, their canonical form, what is compared and
/// stored, each in a copy of its own. Measured on documents of few large fields.
pub const DOCUMENT_COST: usize = 8;
/// What each tag of a document in XML or value of one in JSON is reckoned to take besides its text, bytes.
pub const ELEMENT_COST_BYTES: usize = 256;
/// What each row, and each element with others in it, is reckoned to take besides, bytes: a row is a tree of its own wherever it is held.
/// Measured on documents of many small rows.
pub const ROW_COST_BYTES: usize = 2 << 10;
/// What an inventory that was read is reckoned to take until it is stored, in times of what it holds then: itself, and for a
/// moment rows of it, their packed form and what is written of them.
pub const HELD_COST: usize = 8;
/// A document that is reckoned to take more is a large one, see `load::Class::Bulk`, bytes.
pub const BULK_FROM_BYTES: usize = 12 << 20;
/// What bodies that are on their way, or wait to be read, may hold at once beyond [`BODY_FREE_BYTES`] each, bytes.
pub const RECEIVING_BYTES_MAX: usize = 20 << 20;
/// What each body may hold without a share of that, bytes: almost every message fits.
pub const BODY_FREE_BYTES: usize = 16 << 10;
/// A sender has this long, and for each [`BODY_BYTES_PER_SECOND_MIN`] a second more, seconds.
pub const BODY_GRACE_SECONDS: u64 = 10;
/// The slowest line that is waited for, bytes a second.
pub const BODY_BYTES_PER_SECOND_MIN: usize = 1 << 10;
/// Agents' requests that are being worked on at once.
pub const REQUESTS_AT_ONCE_MAX: usize = 1_024;
/// Of one source.
pub const REQUESTS_PER_SOURCE_MAX: usize = 256;
/// Agents' requests that wait for their turn.
pub const REQUESTS_WAITING_MAX: usize = 2_048;
/// Depth of a foreign JSON document.
pub const JSON_DEPTH_MAX: usize = 32;
/// Members of a gzip body.
pub const GZIP_MEMBERS_MAX: usize = 1_000;
/// A request body of a person or script, bytes.
pub const API_BODY_BYTES_MAX: usize = 1 << 20;
/// Depth of nested elements in a foreign document.
pub const DOCUMENT_DEPTH_MAX: usize = 16;
/// Elements in a foreign document.
pub const DOCUMENT_ELEMENTS_MAX: usize = 200_000;
/// One field of a foreign document, bytes; longer ones are cut, with a finding.
pub const FIELD_BYTES_MAX: usize = 64 << 10;
/// Tasks that one machine keeps in its order book.
pub const BOOK_ENTRIES_MAX: usize = 256;
/// How long a machine that is not heard of goes on by its order book.
pub const BOOK_VALID: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);
/// How long after its end an entry that was taken from a machine is remembered, for what the machine tells late.
pub const BOOK_GONE_KEPT: std::time::Duration = std::time::Duration::from_secs(60 * 86_400);
/// An entry is given anew when it is good for less than this.
pub const BOOK_RENEWED_BEFORE: std::time::Duration = std::time::Duration::from_secs(20 * 86_400);
/// Crashes that are kept of one agent, the newest.
pub const CRASHES_KEPT: usize = 20;
/// Crashes that an agent tells at once.
pub const CRASHES_TOLD_MAX: usize = 8;
/// The log that comes with a crash, bytes; and each other text of it, bytes.
pub const CRASH_BYTES_MAX: (usize, usize) = (64 << 10, 4 << 10);
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
/// Values captured of one step.
pub const STEP_OUTPUTS_MAX: usize = 20;
/// Bytes of the text that says how a value is captured.
pub const OUTPUT_PATTERN_BYTES_MAX: usize = 1 << 10;
/// Bytes of a captured value.
pub const OUTPUT_VALUE_BYTES_MAX: usize = 4 << 10;
/// Waves of a roll-out.
pub const WAVES_MAX: usize = 20;
/// Jumps back from one step.
pub const JUMPS_MAX: u32 = 20;
/// A schedule that repeats does so no faster, seconds.
pub const SCHEDULE_EVERY_SECONDS_MIN: u64 = 60;
/// How far ahead the next occurrence of a schedule is looked for, years. Leap days are up to eight years apart.
pub const SCHEDULE_SEARCH_YEARS: i64 = 9;
/// In flight at once: the most a task may set, and an organization.
pub const IN_FLIGHT_MAX: u32 = 1_000_000;
/// In flight at once on one agent: the most that can be set.
pub const IN_FLIGHT_PER_AGENT_MAX: u32 = 100;
/// Addresses of one mail.
pub const MAIL_ADDRESSES_MAX: usize = 50;
/// Headers of one call of a web service, and status codes it may expect.
pub const WEB_CALL_LIST_MAX: usize = 50;
/// Address of a web service, characters.
pub const WEB_CALL_URL_CHARS_MAX: usize = 2_000;
/// Body of one call of a web service, characters.
pub const WEB_CALL_BODY_CHARS_MAX: usize = 64 << 10;
/// Longest a call of a web service may take, seconds.
pub const WEB_CALL_SECONDS_MAX: u64 = 300;
/// A task document, bytes.
pub const TASK_BYTES_MAX: usize = 256 << 10;
/// Ranges of addresses that a task names, and as many it takes out.
pub const RANGES_MAX: usize = 1_000;
/// Addresses of one task.
pub const POOL_ADDRESSES_MAX: usize = 1 << 18;
/// Addresses of one slice: no fewer while there are as many, and no more.
pub const SLICE_ADDRESSES_MIN: u64 = 16;
/// The most addresses of one slice.
pub const SLICE_ADDRESSES_MAX: u64 = 4_096;
/// Agents that a task names, and that a pool may have at work at once.
pub const POOL_AGENTS_MAX: usize = 1_000;
/// Ports that are looked at on each address.
pub const PORTS_MAX: usize = 32;
/// Numbers of packages of OCS agents: they take them for the time at which a package was made, and some for 32-bit numbers with a sign.
pub const PACKAGE_NUMBERS: std::ops::Range<i64> = 1_000_000_000..2_147_000_000;
/// Devices named in one change of a group's members; a query takes any number.
pub const GROUP_CHANGE_DEVICES_MAX: usize = 5_000;
/// Groups of an organization that follow a query: each is looked at whenever a device changes.
pub const DYNAMIC_GROUPS_MAX: i64 = 500;
/// Groups a task names, and as many it takes out.
pub const TASK_GROUPS_MAX: usize = 1_000;
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
const _: () = assert!(WEB_CALL_BODY_CHARS_MAX < TASK_BYTES_MAX);
const _: () = assert!(PAGE_ROWS_DEFAULT <= PAGE_ROWS_MAX);
const _: () = assert!(INFLATED_BYTES_DEFAULT <= INFLATED_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX <= RECEIVING_BYTES_MAX);
// An ordinary document of the largest size must be able to get its share beside smaller ones.
const _: () = assert!(INFLATED_BYTES_DEFAULT * DOCUMENT_COST <= crate::load::Class::Bulk.bytes_of(INFLATED_IN_FLIGHT_BYTES_MAX));
const _: () = assert!(REQUESTS_AT_ONCE_MAX <= WRITER_QUEUE_MAX);
/// A script of a task, bytes.
pub const SCRIPT_BYTES_MAX: usize = 64 << 10;
/// Arguments, variables or exit codes of a script.
pub const SCRIPT_LIST_MAX: usize = 100;
/// An argument or a variable of a script, bytes.
pub const SCRIPT_VALUE_BYTES_MAX: usize = 4 << 10;
/// The largest memory limit of a script, MiB.
pub const SCRIPT_MEMORY_MIB_MAX: u32 = 1 << 20;
/// The largest processor limit of a script, percent of one processor.
pub const SCRIPT_CPU_PERCENT_MAX: u32 = 100_000;
/// File systems that one step names.
pub const VOLUMES_MAX: usize = 100;
/// Lines of an agent's log that are asked for at most.
pub const LOG_LINES_MAX: u32 = 10_000;

/// Machines that a plan looks at one by one; of more, these stand for the others.
pub const PLANNED_SAMPLE: usize = 2_000;
/// Other tasks that a plan takes into account.
pub const PLANNED_BESIDE_MAX: usize = 20;
/// Machines of all tasks of a plan together, beyond which no further task is taken into account.
pub const PLANNED_PIECES_MAX: usize = 300_000;
/// A query in SQL, bytes.
pub const SQL_BYTES_MAX: usize = 16 << 10;
/// Rows of an answer that are given; of more, only that there are more.
pub const SQL_ROWS_MAX: usize = 10_000;
/// An answer, bytes of its cells; it ends before the row that would pass it.
pub const SQL_ANSWER_BYTES_MAX: usize = 4 << 20;
/// Saved reports of an organization.
pub const REPORTS_MAX: i64 = 1_000;
/// Results that are kept of a report; the oldest go.
pub const REPORT_RESULTS_MAX: i64 = 100;
/// Things of a kind that one step that cleans up removes; what is beyond waits for the next.
pub const LEFTOVERS_MAX: u64 = 10_000;
