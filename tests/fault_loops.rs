//! Every call that a route makes to the database fails once, in every way, alone, three
//! times in a row and in pairs, under the real SDK with its deadlines in milliseconds: it is
//! refused, broken off, not answered, held back until after the SDK has sent it again, or
//! done and not answered, or too late. Whatever happens, the answer is the good one or 503, and the
//! same request again succeeds: no fault of ours signs anybody out, opens a second branch of
//! a session, or says that a session is ended when it is not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]

use std::time::Duration;

use relatch_lambda::Handler;
use relatch_store::Deadlines;
use relatch_tests::{Client, EventRequest, Fault, FaultyDatabase, Response, TestStack, claim, generation};
use serde_json::json;

const FAULTS: [Fault; 7] = [
    Fault::LostReply,
    Fault::Error("ProvisionedThroughputExceededException", 400),
    Fault::Error("InternalServerError", 500),
    Fault::Silence,
    Fault::Broken,
    Fault::Delayed(LATE),
    Fault::LateReply(LATE),
];

/// Those that differ most, for pairs.
const PAIRED_FAULTS: [Fault; 3] =
    [Fault::LostReply, Fault::Error("ProvisionedThroughputExceededException", 400), Fault::Delayed(LATE)];

const DEADLINES: Deadlines = Deadlines {
    attempt: Duration::from_millis(300),
    operation: Duration::from_millis(1000),
    first_pause: Duration::from_millis(5),
};

/// Longer than an attempt waits.
const LATE: Duration = Duration::from_millis(400);

/// A request of a user with two sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    SignIn,
    /// A token that may rotate.
    Refresh,
    /// The current token within the window.
    RefreshAgain,
    /// A token that was rotated away long ago.
    RefreshOld,
    SignOut,
    SignOutEverywhere,
    ListSessions,
    EndSession,
    EndOtherSessions,
}

use Request::{
    EndOtherSessions, EndSession, ListSessions, Refresh, RefreshAgain, RefreshOld, SignIn, SignOut,
    SignOutEverywhere,
};

/// A stack whose user has two sessions, with a faulty way to its database.
struct Scene {
    stack: TestStack,
    database: FaultyDatabase,
    client: Client,
    /// The tokens of generation 0 and 1 of the first session, and an access token of it.
    old: String,
    current: String,
    access: String,
    /// The refresh token of the other session, and its id.
    other: String,
    other_id: String,
}

impl Scene {
    async fn prepare(request: Request) -> Self {
        let stack = TestStack::start(&[]).await;
        let database = stack.faulty_database().await;
        let client = stack.client();
        let (mine, other) = (client.sign_in().await, client.sign_in().await);
        let old = mine.refresh_token();
        let current = client.refresh(&old).await.refresh_token();
        if request != RefreshAgain {
            stack.clock.advance(Duration::from_mins(1));
        }
        let other_id = claim(&other.access_token(), "sid");
        let (access, other) = (mine.access_token(), other.refresh_token());
        Self { stack, database, client, old, current, access, other, other_id }
    }

    /// Sends the request through the faulty way.
    async fn send(&self, request: Request) -> Response {
        match request {
            SignIn => self.call::<signin::SignIn>(EventRequest::post("/signin", &self.client.credentials())).await,
            Refresh | RefreshAgain => self.call::<refresh::Refresh>(EventRequest::refresh(&self.current)).await,
            RefreshOld => self.call::<refresh::Refresh>(EventRequest::refresh(&self.old)).await,
            SignOut => {
                let body = json!({"refresh_token": self.current});
                self.call::<signout::SignOut>(EventRequest::post("/signout", &body)).await
            }
            SignOutEverywhere => {
                let body = json!({"refresh_token": self.current, "everywhere": true});
                self.call::<signout::SignOut>(EventRequest::post("/signout", &body)).await
            }
            ListSessions => self.call::<sessions::Sessions>(EventRequest::get("/sessions")).await,
            EndSession => {
                let path = format!("/sessions/{}", self.other_id);
                self.call::<sessions::Sessions>(EventRequest::new("DELETE", &path)).await
            }
            EndOtherSessions => self.call::<sessions::Sessions>(EventRequest::new("DELETE", "/sessions")).await,
        }
    }

    async fn call<H: Handler>(&self, request: EventRequest) -> Response {
        let function = self.stack.function_with::<H>(&[self.database.setting()], DEADLINES);
        request.with_bearer(&self.access).send(&function).await
    }

    /// Sends the request until the response is not 503, which a busy machine may give without any
    /// fault.
    async fn send_until_available(&self, request: Request) -> Response {
        loop {
            let response = self.send(request).await;
            if response.status != 503 {
                return response;
            }
        }
    }

    /// Whether a refresh accepts a token now; without faults.
    async fn is_good(&self, token: &str) -> bool {
        loop {
            match self.client.refresh(token).await.status {
                503 => {}
                status => return status == 200,
            }
        }
    }
}

/// What must hold once a request was answered with something else than 503.
async fn expect_done(scene: &Scene, request: Request, response: &Response) {
    let expected = match request {
        SignIn | Refresh | RefreshAgain | ListSessions => 200,
        RefreshOld => 400,
        SignOut | SignOutEverywhere | EndSession | EndOtherSessions => 204,
    };
    assert_eq!(response.status, expected, "{response:?}");
    let generation = || generation(&response.refresh_token());
    match request {
        SignIn => assert_eq!(generation(), 0),
        Refresh => assert_eq!(generation(), 2),
        RefreshAgain => assert_eq!(generation(), 1),
        RefreshOld => {
            assert_eq!(response.field("error"), "invalid_grant");
            assert!(!scene.is_good(&scene.current).await, "theft is answered once the session is ended");
        }
        SignOut => assert!(!scene.is_good(&scene.current).await && scene.is_good(&scene.other).await),
        SignOutEverywhere => {
            assert!(!scene.is_good(&scene.current).await && !scene.is_good(&scene.other).await);
        }
        ListSessions => assert_eq!(response.json()["sessions"].as_array().unwrap().len(), 2),
        EndSession | EndOtherSessions => {
            assert!(!scene.is_good(&scene.other).await && scene.is_good(&scene.current).await);
        }
    }
}

/// One run: the faults strike, then the same request is asked again without them.
async fn run(request: Request, faults: Vec<(usize, Fault)>) -> usize {
    let scene = Scene::prepare(request).await;
    scene.database.fail_calls(faults.clone());
    let response = scene.send(request).await;
    // What was held back is done now, after the answer.
    scene.database.settle().await;
    if response.status == 503 {
        assert_eq!(response.field("error"), "temporarily_unavailable", "{request:?} {faults:?}");
    } else {
        expect_done(&scene, request, &response).await;
    }
    scene.database.fail_calls([]);
    // Asking again changes nothing that was done; what a sign-out ended is ended.
    let again = scene.send_until_available(request).await;
    let is_own_session_over = matches!(request, SignOutEverywhere | SignOut | RefreshOld);
    if !is_own_session_over || response.status == 503 {
        expect_done(&scene, request, &again).await;
    }
    scene.database.injected_faults()
}

/// How many calls a request makes when nothing fails.
async fn count_calls(request: Request) -> usize {
    let scene = Scene::prepare(request).await;
    scene.database.take_calls();
    let response = scene.send(request).await;
    let calls = scene.database.take_calls().len();
    expect_done(&scene, request, &response).await;
    calls
}

async fn fail_every_call(request: Request) {
    let count = count_calls(request).await;
    let mut runs = Vec::new();
    for number in 0..count {
        for fault in FAULTS {
            runs.push(vec![(number, fault.clone())]);
            runs.push((number..number + 3).map(|number| (number, fault.clone())).collect());
        }
        for fault in PAIRED_FAULTS {
            for other in PAIRED_FAULTS {
                // A call that fails is made again, so there is one more to fail.
                for second in number + 1..=count {
                    runs.push(vec![(number, fault.clone()), (second, other.clone())]);
                }
            }
        }
    }
    // Calls that are made at once, or again on a busy machine, may come in another order, so
    // that not every planned fault finds its call; nearly all do.
    let (mut injected, total) = (0, runs.len());
    for chunk in runs.chunks(16) {
        let chunk = chunk.iter().map(|faults| run(request, faults.clone()));
        injected += futures_util::future::join_all(chunk).await.into_iter().sum::<usize>();
    }
    println!("{request:?}: {count} calls, {total} runs, {injected} faults");
    assert!(injected >= total, "{injected} faults in {total} runs");
}

/// For each line a test of that name.
macro_rules! every_call_may_fail {
    ($($name:ident: $request:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            fail_every_call($request).await;
        }
    )+};
}

every_call_may_fail! {
    a_sign_in: SignIn;
    a_refresh_that_rotates: Refresh;
    a_refresh_within_the_window: RefreshAgain;
    a_refresh_with_a_stolen_token: RefreshOld;
    a_sign_out: SignOut;
    a_sign_out_everywhere: SignOutEverywhere;
    a_list_of_sessions: ListSessions;
    the_end_of_a_session: EndSession;
    the_end_of_all_other_sessions: EndOtherSessions;
}
