//! The support itself: an agent that fails is seen to fail, so that a story about a good one means something.

use anyhow::Result;
use muster_e2e::Agents;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// The address of a server that refuses everything, until the test ends.
fn refusing_server() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // An agent may hang up at any point; it is refused all the same.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    Ok(url)
}

#[test]
fn a_fusioninventory_agent_that_is_refused_is_seen_to_fail() -> Result<()> {
    let run = Agents::new()?.fusion(&format!("{}/", refusing_server()?), &[])?;
    assert!(run.good().is_err(), "{}", run.log);
    assert!(run.log.contains("sending prolog request"), "it came as far as asking: {}", run.log);
    Ok(())
}

#[test]
fn an_ocs_agent_that_is_refused_is_seen_to_fail() -> Result<()> {
    let run = Agents::new()?.ocs(&format!("{}/ocsinventory", refusing_server()?), &[])?;
    assert!(run.good().is_err(), "{}", run.log);
    assert!(run.log.contains("Cannot establish communication"), "{}", run.log);
    Ok(())
}
