//! Every call that a route makes to the database fails once, in every way, alone, three
//! times in a row and in pairs, under the real SDK with its deadlines in milliseconds: it is
//! refused, broken off, not answered, held back until after the SDK has sent it again, or
//! done and not answered, or too late. Whatever happens, the answer is the good one or 503, and the
//! same request again succeeds: no fault of ours signs anybody out, opens a second branch of
//! a session, or says that a session is ended when it is not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]

use std::time::Duration;

use relatch::config::Deadlines;
use relatch::lambda::Handler;
use relatch_tests::{Client, Fault, FaultyDatabase, TestStack, call, claims};
use serde_json::{Value, json};

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
const IN_PAIRS: [Fault; 3] =
    [Fault::LostReply, Fault::Error("ProvisionedThroughputExceededException", 400), Fault::Delayed(LATE)];

const DEADLINES: Deadlines = Deadlines {
    attempt: Duration::from_millis(300),
    operation: Duration::from_millis(1000),
    first_pause: Duration::from_millis(5),
};

/// Longer than an attempt waits.
const LATE: Duration = Duration::from_millis(400);

/// What is asked for, of a user with two sessions.
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
    async fn set(request: Request) -> Self {
        let stack = TestStack::start(&[]).await;
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        let client = stack.client();
        let (mine, other) = (client.sign_in().await, client.sign_in().await);
        let old = mine.refresh_token();
        let current = client.refresh(&old).await.refresh_token();
        if request != RefreshAgain {
            stack.clock.advance_seconds(60);
        }
        let other_id = claims(&other.access_token())["sid"].as_str().unwrap().to_owned();
        let (access, other) = (mine.access_token(), other.refresh_token());
        Self { stack, database, client, old, current, access, other, other_id }
    }

    /// Asks through the faulty way; gives the status and the body.
    async fn ask(&self, request: Request) -> (u64, Value) {
        let token = |token: &str| json!({ "refresh_token": token });
        match request {
            SignIn => {
                let body = json!({"email": self.client.email, "password": self.client.password});
                self.call::<signin::SignIn>("POST /signin", &body).await
            }
            Refresh | RefreshAgain => self.call::<refresh::Refresh>("POST /refresh", &token(&self.current)).await,
            RefreshOld => self.call::<refresh::Refresh>("POST /refresh", &token(&self.old)).await,
            SignOut => self.call::<signout::SignOut>("POST /signout", &token(&self.current)).await,
            SignOutEverywhere => {
                let body = json!({"refresh_token": self.current, "everywhere": true});
                self.call::<signout::SignOut>("POST /signout", &body).await
            }
            ListSessions => self.call::<sessions::Sessions>("GET /sessions", &Value::Null).await,
            EndSession => {
                let route = format!("DELETE /sessions/{}", self.other_id);
                self.call::<sessions::Sessions>(&route, &Value::Null).await
            }
            EndOtherSessions => self.call::<sessions::Sessions>("DELETE /sessions", &Value::Null).await,
        }
    }

    async fn call<H: Handler>(&self, route: &str, body: &Value) -> (u64, Value) {
        let settings = [("AWS_ENDPOINT_URL_DYNAMODB", self.database.url())];
        let function = self.stack.function_with::<H>(&settings, DEADLINES);
        call(&function, route, body, Some(&self.access)).await
    }

    /// Asks until the answer is not 503, which a busy machine comes to without any fault.
    async fn ask_again(&self, request: Request) -> (u64, Value) {
        loop {
            let answer = self.ask(request).await;
            if answer.0 != 503 {
                return answer;
            }
        }
    }

    /// Whether a refresh accepts a token now; asked without faults.
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
async fn expect_done(scene: &Scene, request: Request, (status, body): &(u64, Value)) {
    let expected = match request {
        SignIn | Refresh | RefreshAgain | ListSessions => 200,
        RefreshOld => 400,
        SignOut | SignOutEverywhere | EndSession | EndOtherSessions => 204,
    };
    assert_eq!(*status, expected, "{body}");
    let generation = || claims(body["refresh_token"].as_str().unwrap())["gen"].as_u64().unwrap();
    match request {
        SignIn => assert_eq!(generation(), 0),
        Refresh => assert_eq!(generation(), 2),
        RefreshAgain => assert_eq!(generation(), 1),
        RefreshOld => {
            assert_eq!(body["error"], "invalid_grant");
            assert!(!scene.is_good(&scene.current).await, "theft is answered once the session is ended");
        }
        SignOut => assert!(!scene.is_good(&scene.current).await && scene.is_good(&scene.other).await),
        SignOutEverywhere => {
            assert!(!scene.is_good(&scene.current).await && !scene.is_good(&scene.other).await);
        }
        ListSessions => assert_eq!(body["sessions"].as_array().unwrap().len(), 2),
        EndSession | EndOtherSessions => {
            assert!(!scene.is_good(&scene.other).await && scene.is_good(&scene.current).await);
        }
    }
}

/// One run: the faults strike, then the same request is asked again without them.
async fn run(request: Request, faults: Vec<(usize, Fault)>) -> usize {
    let scene = Scene::set(request).await;
    scene.database.fail_calls(faults.clone());
    let answer = scene.ask(request).await;
    // What was held back is done now, after the answer.
    scene.database.settle().await;
    if answer.0 == 503 {
        assert_eq!(answer.1["error"], "temporarily_unavailable", "{request:?} {faults:?}");
    } else {
        expect_done(&scene, request, &answer).await;
    }
    scene.database.fail_calls([]);
    // Asking again changes nothing that was done; what a sign-out ended is ended.
    let again = scene.ask_again(request).await;
    let is_own_session_over = matches!(request, SignOutEverywhere | SignOut | RefreshOld);
    if !is_own_session_over || answer.0 == 503 {
        expect_done(&scene, request, &again).await;
    }
    scene.database.injected()
}

/// How many calls a request makes when nothing fails.
async fn calls(request: Request) -> usize {
    let scene = Scene::set(request).await;
    scene.database.calls();
    let answer = scene.ask(request).await;
    let calls = scene.database.calls().len();
    expect_done(&scene, request, &answer).await;
    calls
}

async fn fail_every_call(request: Request) {
    let count = calls(request).await;
    let mut runs = Vec::new();
    for number in 0..count {
        for fault in FAULTS {
            runs.push(vec![(number, fault.clone())]);
            runs.push((number..number + 3).map(|number| (number, fault.clone())).collect());
        }
        for fault in IN_PAIRS {
            for other in IN_PAIRS {
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
    for some in runs.chunks(16) {
        let some = some.iter().map(|faults| run(request, faults.clone()));
        injected += futures_util::future::join_all(some).await.into_iter().sum::<usize>();
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
