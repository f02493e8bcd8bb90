//! Two ends of one connection: calls, cancels, bounds and faults.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bllvm_ipc::method::{ChainBlock, ChainTip, FeeEstimate};
use bllvm_ipc::types::{BlockByHash, Empty, FeeRequest, Sample, Tip};
use bllvm_ipc::{
    CallError, Connection, ErrorCode, ErrorReply, Handler, Incoming, Limits, Method, Raw, Reply,
    Stream,
};

/// Answers tips at once, blocks after a moment, and never a fee.
#[derive(Default)]
struct Host {
    started: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Handler for Host {
    fn request(&self, _: &Connection, request: Incoming) -> Reply {
        match request.method {
            ChainTip::ID => {
                Reply::now::<ChainTip>(request.decode::<ChainTip>().map(|_| Tip::sample()))
            }
            ChainBlock::ID => Reply::later::<ChainBlock>(async {
                tokio::task::yield_now().await;
                Ok(Raw(vec![7; 2 << 20].into()))
            }),
            FeeEstimate::ID => {
                self.started.fetch_add(1, Ordering::SeqCst);
                let guard = CountDrop(self.dropped.clone());
                Reply::later::<FeeEstimate>(async move {
                    let _guard = guard;
                    std::future::pending().await
                })
            }
            other => Reply::refuse(ErrorReply::unsupported(format!("no method {other}"))),
        }
    }
}

struct Deaf;

impl Handler for Deaf {
    fn request(&self, _: &Connection, _: Incoming) -> Reply {
        Reply::refuse(ErrorReply::unsupported("nothing"))
    }
}

fn pair(limits: &Limits) -> (Connection, Connection, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (host, fd) = Stream::pair().unwrap();
    let handler = Host::default();
    let (started, dropped) = (handler.started.clone(), handler.dropped.clone());
    let host = Connection::start(host, limits.clone(), Arc::new(handler));
    let module = Connection::start(Stream::from_fd(fd).unwrap(), limits.clone(), Arc::new(Deaf));
    (host, module, started, dropped)
}

async fn until(what: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(10), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("it happens within ten seconds");
}

fn fee() -> FeeRequest {
    FeeRequest { target_blocks: 6 }
}

#[tokio::test]
async fn calls_in_a_crowd_all_get_their_own_answer() {
    let (_host, module, ..) = pair(&Limits::default());
    let calls = (0..500).map(|_| {
        let module = module.clone();
        tokio::spawn(async move { module.call::<ChainTip>(&Empty {}).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Tip::sample());
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_here_and_the_connection_lives() {
    let (_host, module, ..) = pair(&Limits::default());
    let body = bytes::Bytes::from(vec![0; 1 << 20]);
    let refused = module.call_encoded(ChainTip::ID, body, false).await;
    let Err(CallError::Reply(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(error.code, ErrorCode::TooLarge);
    module.call::<ChainTip>(&Empty {}).await.unwrap();
}

#[tokio::test]
async fn bulk_comes_whole_while_small_calls_go_on() {
    let (_host, module, ..) = pair(&Limits::default());
    let wanted = BlockByHash::sample();
    let block = module.call::<ChainBlock>(&wanted);
    let empty = Empty {};
    let tip = module.call::<ChainTip>(&empty);
    let (block, tip) = tokio::join!(block, tip);
    assert_eq!(block.unwrap().0, vec![7; 2 << 20]);
    assert_eq!(tip.unwrap(), Tip::sample());
}

#[tokio::test]
async fn an_unknown_method_is_a_reply_and_the_connection_goes_on() {
    let (_host, module, ..) = pair(&Limits::default());
    let refused = module.call_encoded(0x7777, Vec::new().into(), false).await;
    assert!(matches!(refused, Err(CallError::Reply(e)) if e.code == ErrorCode::Unsupported));
    assert!(module.call::<ChainTip>(&Empty {}).await.is_ok());
}

#[tokio::test]
async fn a_dropped_call_cancels_the_work_on_the_other_side() {
    let (_host, module, started, dropped) = pair(&Limits::default());
    let call = tokio::spawn({
        let module = module.clone();
        async move { module.call::<FeeEstimate>(&fee()).await }
    });
    until(|| started.load(Ordering::SeqCst) == 1).await;
    call.abort();
    until(|| dropped.load(Ordering::SeqCst) == 1).await;
    assert!(module.call::<ChainTip>(&Empty {}).await.is_ok());
}

#[tokio::test]
async fn who_waits_for_the_last_answer_gets_on_with_it_or_with_the_end() {
    let (host, module, started, _) = pair(&Limits::default());
    module.idle().await;
    for ends in ["answered", "cancelled", "closed"] {
        let call = module.turn().await.unwrap();
        let idle = async |module: Connection| module.idle().await;
        if ends == "answered" {
            let sent = call.send::<ChainBlock>(&BlockByHash::sample()).unwrap();
            assert_eq!(module.open_calls(), 1, "it is sent before anybody waits");
            let (answer, ()) = tokio::join!(sent.answer(), idle(module.clone()));
            assert_eq!(answer.unwrap().0.len(), 2 << 20);
            continue;
        }
        let before = started.load(Ordering::SeqCst);
        let sent = call.send::<FeeEstimate>(&fee()).unwrap();
        until(|| started.load(Ordering::SeqCst) > before).await;
        let waiting = tokio::spawn(idle(module.clone()));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "{ends}");
        if ends == "cancelled" {
            drop(sent);
        } else {
            host.close(&bllvm_ipc::handshake::Goodbye::new("shutdown", "bye"));
            assert!(matches!(sent.answer().await, Err(CallError::Closed)));
        }
        waiting.await.unwrap();
    }
    assert!(matches!(module.turn().await, Err(CallError::Closed)));
}

#[tokio::test]
async fn callers_in_flight_are_answered_when_the_other_side_goes() {
    let (host, module, started, dropped) = pair(&Limits::default());
    let call = tokio::spawn(async move { module.call::<FeeEstimate>(&fee()).await });
    until(|| started.load(Ordering::SeqCst) == 1).await;
    host.close(&bllvm_ipc::handshake::Goodbye::new("shutdown", "bye"));
    assert!(matches!(call.await.unwrap(), Err(CallError::Closed)));
    until(|| dropped.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn requests_beyond_the_limit_are_answered_busy() {
    let (host, fd) = Stream::pair().unwrap();
    let _host = Connection::start(
        host,
        Limits {
            in_flight: 2,
            ..Limits::default()
        },
        Arc::new(Host::default()),
    );
    let module = Connection::start(
        Stream::from_fd(fd).unwrap(),
        Limits::default(),
        Arc::new(Deaf),
    );
    let open: Vec<_> = (0..2)
        .map(|_| {
            let module = module.clone();
            tokio::spawn(async move { module.call::<FeeEstimate>(&fee()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let third = module.call::<FeeEstimate>(&fee()).await;
    assert!(matches!(third, Err(CallError::Reply(e)) if e.code == ErrorCode::Busy));
    assert!(open.iter().all(|call| !call.is_finished()));
}

#[tokio::test]
async fn a_ping_is_answered_by_the_other_sides_handler() {
    let (host, _module, ..) = pair(&Limits::default());
    host.ping().await.unwrap();
}

#[tokio::test]
async fn rubbish_ends_the_connection_with_a_reason() {
    let (host, fd) = Stream::pair().unwrap();
    let host = Connection::start(host, Limits::default(), Arc::new(Host::default()));
    std::os::unix::net::UnixStream::from(fd)
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .unwrap();
    assert!(host.closed().await.is_err());
}

#[tokio::test]
async fn a_frame_that_stands_still_ends_the_connection() {
    let (host, fd) = Stream::pair().unwrap();
    let limits = Limits {
        frame_progress: Duration::from_millis(20),
        ..Limits::default()
    };
    let host = Connection::start(host, limits, Arc::new(Host::default()));
    let mut peer = std::os::unix::net::UnixStream::from(fd);
    peer.write_all(&[0, 0, 1, 0, 3]).unwrap();
    let ending = host.closed().await;
    assert!(
        ending
            .as_ref()
            .as_ref()
            .is_err_and(|e| e.to_string().contains("no progress"))
    );
}
