//! All that sign and verify while the months pass: several instances, verifiers elsewhere whose
//! caches lag, and every token that is still good.

use std::collections::{BTreeSet, VecDeque};

use jwks::Jwks;
use refresh::Refresh;
use relatch::lambda::Function;
use relatch::time::Timestamp;
use relatch::token::{Issuance, KeySet, PublicKeySet, verify_access};
use relatch_tests::{Fault, call};
use serde_json::{Value, json};
use signin::SignIn;
use userinfo::UserInfo;

use crate::deployment::{ACCESS, Deployment, REFRESH, STEPS};
use crate::{DAY, HOUR, MINUTE};

/// A verifier elsewhere: it keeps a JWK Set for so long and asks for no newer one before,
/// whatever `kid` it meets, as API Gateway's authorizers do.
struct Elsewhere {
    keeps_for: i64,
    loaded: Option<(KeySet, Timestamp)>,
}

impl Elsewhere {
    async fn verify(&mut self, it: &Deployment, jwks: &Function<Jwks>, token: &str) -> bool {
        let now = it.now();
        let is_old = self.loaded.as_ref().is_none_or(|(_, at)| now >= at.plus_seconds(self.keeps_for));
        if is_old {
            let (status, set) = call(jwks, "GET /.well-known/jwks.json", &Value::Null, None).await;
            assert_eq!(status, 200);
            let set: PublicKeySet = serde_json::from_value(set).unwrap();
            self.loaded = Some((KeySet::from_public(set).unwrap(), now));
        }
        let (keys, _) = self.loaded.as_ref().unwrap();
        verify_access(token, keys, &Issuance::new(&it.config()), now).is_ok()
    }
}

/// All that sign and verify, with the tokens that are about.
struct World {
    it: Deployment,
    sign_in: Vec<Function<SignIn>>,
    refresh: Vec<Function<Refresh>>,
    userinfo: Vec<Function<UserInfo>>,
    jwks: Function<Jwks>,
    elsewhere: Vec<Elsewhere>,
    access: Vec<(String, Timestamp)>,
    sessions: VecDeque<String>,
    gone: BTreeSet<String>,
    known: BTreeSet<String>,
    verified: usize,
    looks: u32,
}

impl World {
    async fn start() -> Self {
        let it = Deployment::with_keys().await;
        Self {
            sign_in: (0..2).map(|_| it.instance()).collect(),
            refresh: (0..3).map(|_| it.instance()).collect(),
            userinfo: (0..3).map(|_| it.instance()).collect(),
            jwks: it.instance(),
            // The second has a cache of five minutes in front of it.
            elsewhere: [5 * MINUTE, 2 * HOUR + 5 * MINUTE]
                .map(|keeps_for| Elsewhere { keeps_for, loaded: None })
                .into(),
            access: Vec::new(),
            sessions: VecDeque::new(),
            gone: BTreeSet::new(),
            known: BTreeSet::new(),
            verified: 0,
            looks: 0,
            it,
        }
    }

    async fn advance(&mut self, seconds: i64) {
        self.it.stack.clock.advance_seconds(seconds);
        self.look().await;
    }

    /// Every instance issues, and everyone verifies everything that is good.
    async fn look(&mut self) {
        let now = self.it.now();
        // Another user each time: one has fifty sessions at most.
        self.looks += 1;
        let (user, password) = (format!("user-{}", self.looks), "the right password");
        self.it.stack.add_user(&user, password, 4).await;
        let body = json!({"email": format!("{user}@example.com"), "password": password});
        let mut answers = Vec::new();
        for function in &self.sign_in {
            answers.push(call(function, "POST /signin", &body, None).await);
        }
        for function in &self.refresh {
            function.prepare().await;
            // The oldest token that is about, so that some wait for months.
            if let Some(token) = self.sessions.pop_front() {
                answers.push(call(function, "POST /refresh", &json!({"refresh_token": token}), None).await);
            }
        }
        answers.iter().for_each(|answer| self.keep(answer, now));
        self.access.retain(|(_, until)| now < *until);
        for (token, _) in &self.access {
            for function in &self.userinfo {
                assert_eq!(call(function, "GET /userinfo", &Value::Null, Some(token)).await.0, 200, "{now:?}");
            }
            for verifier in &mut self.elsewhere {
                assert!(verifier.verify(&self.it, &self.jwks, token).await, "{now:?} {}", verifier.keeps_for);
            }
            self.verified += 5;
        }
        // What goes stays away.
        let (published, kept) = (self.it.published().await, self.it.kids(ACCESS));
        let here: BTreeSet<_> = published.union(&kept).cloned().collect();
        assert!(here.is_disjoint(&self.gone), "a key came back");
        self.gone.extend(self.known.difference(&here).cloned());
        self.known = here;
    }

    fn keep(&mut self, answer: &(u64, Value), now: Timestamp) {
        assert_eq!(answer.0, 200, "{now:?} {answer:?}");
        let until = now.plus_seconds(answer.1["expires_in"].as_i64().unwrap());
        self.access.push((answer.1["access_token"].as_str().unwrap().to_owned(), until));
        self.sessions.push_back(answer.1["refresh_token"].as_str().unwrap().to_owned());
    }
}

/// After a rotation: the moments around which something happens, and then days.
const MOMENTS: [i64; 17] = [
    0,
    1,
    5 * MINUTE,
    6 * MINUTE,
    9 * MINUTE + 59,
    10 * MINUTE,
    15 * MINUTE,
    2 * HOUR,
    3 * HOUR - 1,
    3 * HOUR,
    3 * HOUR + 5 * MINUTE,
    5 * HOUR + 10 * MINUTE,
    27 * HOUR,
    2 * DAY + 3 * HOUR,
    5 * DAY,
    15 * DAY,
    29 * DAY,
];

#[tokio::test]
async fn half_a_year_of_rotations_refuses_no_good_token() {
    let mut world = World::start().await;
    world.look().await;
    for month in 0..6 {
        let started = world.it.now();
        // One of them goes wrong half way, by another fault each month, and is run again.
        for (place, secret) in [ACCESS, REFRESH].into_iter().enumerate() {
            let version = world.it.version();
            for (number, step) in STEPS.into_iter().enumerate() {
                if number == usize::try_from(month).unwrap() % STEPS.len() && place == 0 {
                    world.it.secrets.lose_reply("PutSecretValue");
                    world.it.database.fail("UpdateItem", Fault::LostReply, 1);
                    let _ = world.it.step(secret, step, &version).await;
                    world.it.secrets.refuse(Some(("InternalServiceError", 500)));
                    world.it.step(secret, step, &version).await.unwrap_err();
                    world.advance(1).await;
                    world.it.secrets.refuse(None);
                }
                world.it.step(secret, step, &version).await.unwrap();
                world.it.step(secret, step, &version).await.unwrap();
                world.look().await;
            }
        }
        for moment in MOMENTS {
            let passed = world.it.now().millis_since(started) / 1000;
            world.advance((moment - passed).max(1)).await;
        }
        world.advance(DAY).await;
    }
    // Seven were made, and those of the first months have gone.
    assert_eq!(world.it.kids(ACCESS).len(), 2);
    assert_eq!(world.gone.len(), 5, "{:?}", world.gone);
    assert!(world.verified > 1_000, "{}", world.verified);
}

/// Somebody rotates by hand, again and again.
#[tokio::test]
async fn rotations_twice_a_day_refuse_no_good_token() {
    let mut world = World::start().await;
    world.look().await;
    for _ in 0..10 {
        for secret in [ACCESS, REFRESH] {
            world.it.rotate(secret).await;
        }
        for pause in [1, 3 * HOUR, 5 * MINUTE, 8 * HOUR + 50 * MINUTE] {
            world.advance(pause).await;
        }
    }
    assert!(!world.gone.is_empty() && world.it.kids(ACCESS).len() < 8, "{:?}", world.it.kids(ACCESS));
}
