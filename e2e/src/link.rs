//! A link between an agent and its server that can be cut, held up and healed, and that leads to wherever the server is now.

use anyhow::Result;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It carries.
    Open,
    /// Connections are broken, and none comes to be.
    Cut,
    /// Connections stand and carry nothing: what is said arrives when the link is open again.
    Held,
}

/// A link on loopback.
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    target: watch::Sender<String>,
    work: JoinHandle<()>,
}

impl Link {
    /// A link that leads to a port of this machine.
    pub async fn to(port: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (state, seen) = watch::channel(State::Open);
        let (target, place) = watch::channel(format!("127.0.0.1:{port}"));
        Ok(Self { address, state, target, work: tokio::spawn(accept(listener, seen, place)) })
    }

    /// Where agents find the server through it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts, holds or heals it.
    pub fn is(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The server is at another port now.
    pub fn leads_to(&self, port: &str) {
        self.target.send_replace(format!("127.0.0.1:{port}"));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn accept(listener: TcpListener, state: watch::Receiver<State>, target: watch::Receiver<String>) {
    while let Ok((near, _)) = listener.accept().await {
        if *state.borrow() == State::Cut {
            continue;
        }
        let (mut cut, state, to) = (state.clone(), state.clone(), target.borrow().clone());
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(to).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::select! {
                () = carry(near_in, far_out, state.clone()) => {}
                () = carry(far_in, near_out, state) => {}
                _ = cut.wait_for(|state| *state == State::Cut) => {}
            }
        });
    }
}

/// Carries bytes one way while the link is open.
async fn carry(from: tokio::net::tcp::OwnedReadHalf, to: tokio::net::tcp::OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        if from.readable().await.is_err() || state.wait_for(|state| *state == State::Open).await.is_err() {
            return;
        }
        let mut rest = match from.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => &buffer[..n],
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        while !rest.is_empty() {
            if to.writable().await.is_err() {
                return;
            }
            match to.try_write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
