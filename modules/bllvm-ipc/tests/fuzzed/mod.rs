//! What is fuzzed: bytes of a stranger go in, and nothing may panic, hang or grow without bound.
//! The fuzz targets and the short smoke test share these.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bllvm_ipc::handshake::{Hello, Welcome, accept, negotiate};
use bllvm_ipc::types::Sample;
use bllvm_ipc::{ErrorReply, EventEnvelope, Frame, Kind, Limits, METHODS, Stream, Wire, method};
use bytes::BytesMut;

/// Reads frames until the bytes end or one is refused; decodes every body as what it claims.
pub fn frames(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(frame)) = Frame::read_from(&mut buffer, 1 << 16, 1 << 18) {
        let mut again = BytesMut::from(&frame.to_bytes()[..]);
        if let Ok(Some(read)) = Frame::read_from(&mut again, u32::MAX, u32::MAX) {
            assert_eq!(read, frame);
        }
        body(&frame);
    }
}

fn body(frame: &Frame) {
    match frame.kind {
        Kind::Request => {
            if let Some(row) = method::by_id(frame.method) {
                let _ = (row.check_request)(&frame.body);
            }
        }
        Kind::Response => {
            let _ = ErrorReply::from_body(&frame.body);
            let row = &METHODS[usize::try_from(frame.id).unwrap_or(0) % METHODS.len()];
            let _ = (row.check_response)(&frame.body);
        }
        Kind::Event => drop(EventEnvelope::from_body(&frame.body)),
        _ => drop(Hello::from_body(&frame.body)),
    }
}

/// Sends the bytes as a module's first ones; the host must come to an end with them.
pub fn hello(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (host, fd) = Stream::pair().expect("a socketpair");
        let mut module = UnixStream::from(fd);
        let length = data.len().min(1 << 16);
        module
            .write_all(&data[..length])
            .expect("it fits the socket's buffer");
        module.shutdown(Shutdown::Write).expect("it is open");
        let limits = Limits {
            hello_deadline: Duration::from_secs(5),
            ..Limits::default()
        };
        let decided = accept(&host, &limits, |hello| {
            negotiate(hello)?;
            Ok(Welcome::sample())
        });
        if let Ok((hello, _)) = decided.await {
            assert!(hello.protocol_min <= 1 && hello.protocol_max >= 1);
        }
    });
}
