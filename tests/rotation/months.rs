//! All that sign and verify while the months pass: several instances, verifiers elsewhere whose
//! caches lag, and every token that is still good.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jwks::Jwks;
use refresh::Refresh;
use relatch::keys::{KeySet, PublicKeySet};
use relatch::time::Timestamp;
use relatch::token::verify_access;
use relatch_lambda::Function;
use relatch_tests::{EventRequest, Fault, Response};
use signin::SignIn;
use userinfo::UserInfo;

use crate::DAY;
use crate::deployment::{ACCESS, Deployment, REFRESH, STEPS};

const SECOND: Duration = Duration::from_secs(1);

/// A verifier elsewhere: it keeps a JWK Set for this long and asks for no newer one before,
/// whatever `kid` it meets, as API Gateway's authorizers do.
struct RemoteVerifier {
    keeps_for: Duration,
    loaded: Option<(KeySet, Timestamp)>,
}

impl RemoteVerifier {
    async fn verify(&mut self, deployment: &Deployment, jwks: &Function<Jwks>, token: &str) -> bool {
        let now = deployment.now();
        let is_old = self.loaded.as_ref().is_none_or(|(_, at)| now >= *at + self.keeps_for);
        if is_old {
            let response = EventRequest::get("/.well-known/jwks.json").send(jwks).await;
            assert_eq!(response.status, 200);
            let set: PublicKeySet = serde_json::from_value(response.json()).unwrap();
            self.loaded = Some((KeySet::from_public(set).unwrap(), now));
        }
        let (keys, _) = self.loaded.as_ref().unwrap();
        verify_access(token, keys, &deployment.config().token_issuer.access_tokens(), now).is_ok()
    }
}

/// All that sign and verify, with the tokens that are about.
struct World {
    deployment: Deployment,
    sign_in: Vec<Function<SignIn>>,
    refresh: Vec<Function<Refresh>>,
    userinfo: Vec<Function<UserInfo>>,
    jwks: Function<Jwks>,
    remote_verifiers: Vec<RemoteVerifier>,
    /// Access tokens, with the time until which they are good.
    access_tokens: Vec<(String, Timestamp)>,
    refresh_tokens: VecDeque<String>,
    /// Keys that are neither published nor stored any more.
    gone_kids: BTreeSet<String>,
    /// Keys that were there at the last check.
    known_kids: BTreeSet<String>,
    verifications: usize,
    checks: u32,
}

impl World {
    async fn start() -> Self {
        let deployment = Deployment::with_keys().await;
        Self {
            sign_in: (0..2).map(|_| deployment.instance()).collect(),
            refresh: (0..3).map(|_| deployment.instance()).collect(),
            userinfo: (0..3).map(|_| deployment.instance()).collect(),
            jwks: deployment.instance(),
            // The second has a cache of five minutes in front of it.
            remote_verifiers: [Duration::from_mins(5), Duration::from_mins(2 * 60 + 5)]
                .map(|keeps_for| RemoteVerifier { keeps_for, loaded: None })
                .into(),
            access_tokens: Vec::new(),
            refresh_tokens: VecDeque::new(),
            gone_kids: BTreeSet::new(),
            known_kids: BTreeSet::new(),
            verifications: 0,
            checks: 0,
            deployment,
        }
    }

    async fn advance(&mut self, duration: Duration) {
        self.deployment.stack.clock.advance(duration);
        self.check().await;
    }

    /// Every instance issues, and everyone verifies everything that is good.
    async fn check(&mut self) {
        let now = self.deployment.now();
        // Another user each time: one has fifty sessions at most.
        self.checks += 1;
        let (user, password) = (format!("user-{}", self.checks), "the right password");
        self.deployment.stack.add_user(&user, password, 4).await;
        let sign_in = EventRequest::sign_in(&format!("{user}@example.com"), password);
        let mut responses = Vec::new();
        for function in &self.sign_in {
            responses.push(sign_in.send(function).await);
        }
        for function in &self.refresh {
            function.prepare().await;
            // The oldest token that is about, so that some wait for months.
            if let Some(token) = self.refresh_tokens.pop_front() {
                responses.push(EventRequest::refresh(&token).send(function).await);
            }
        }
        responses.iter().for_each(|response| self.keep_tokens(response, now));
        self.access_tokens.retain(|(_, until)| now < *until);
        for (token, _) in &self.access_tokens {
            for function in &self.userinfo {
                let request = EventRequest::get("/userinfo").with_bearer(token);
                assert_eq!(request.send(function).await.status, 200, "{now:?}");
            }
            for verifier in &mut self.remote_verifiers {
                assert!(
                    verifier.verify(&self.deployment, &self.jwks, token).await,
                    "{now:?} {:?}",
                    verifier.keeps_for
                );
            }
            self.verifications += 5;
        }
        // What goes stays away.
        let (published, stored) = (self.deployment.published_kids().await, self.deployment.kids(ACCESS));
        let present: BTreeSet<_> = published.union(&stored).cloned().collect();
        assert!(present.is_disjoint(&self.gone_kids), "a key came back");
        self.gone_kids.extend(self.known_kids.difference(&present).cloned());
        self.known_kids = present;
    }

    fn keep_tokens(&mut self, response: &Response, now: Timestamp) {
        assert_eq!(response.status, 200, "{now:?} {response:?}");
        let expires_in = Duration::from_secs(response.json()["expires_in"].as_u64().unwrap());
        self.access_tokens.push((response.access_token(), now + expires_in));
        self.refresh_tokens.push_back(response.refresh_token());
    }
}

/// After a rotation: the moments around which something happens, and then days.
const MOMENTS: [Duration; 17] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_mins(5),
    Duration::from_mins(6),
    Duration::from_secs(9 * 60 + 59),
    Duration::from_mins(10),
    Duration::from_mins(15),
    Duration::from_hours(2),
    Duration::from_secs(3 * 3600 - 1),
    Duration::from_hours(3),
    Duration::from_mins(3 * 60 + 5),
    Duration::from_mins(5 * 60 + 10),
    Duration::from_hours(27),
    Duration::from_hours(2 * 24 + 3),
    Duration::from_hours(5 * 24),
    Duration::from_hours(15 * 24),
    Duration::from_hours(29 * 24),
];

#[tokio::test]
async fn half_a_year_of_rotations_refuses_no_good_token() {
    let mut world = World::start().await;
    world.check().await;
    for month in 0..6 {
        let started = world.deployment.now();
        // One of them goes wrong half way, by another fault each month, and is run again.
        for (place, secret) in [ACCESS, REFRESH].into_iter().enumerate() {
            let version = world.deployment.version();
            for (number, step) in STEPS.into_iter().enumerate() {
                if number == usize::try_from(month).unwrap() % STEPS.len() && place == 0 {
                    world.deployment.secrets.lose_reply("PutSecretValue");
                    world.deployment.database.fail("UpdateItem", Fault::LostReply, 1);
                    let _ = world.deployment.step(secret, step, &version).await;
                    world.deployment.secrets.refuse(Some(("InternalServiceError", 500)));
                    world.deployment.step(secret, step, &version).await.unwrap_err();
                    world.advance(SECOND).await;
                    world.deployment.secrets.refuse(None);
                }
                world.deployment.step(secret, step, &version).await.unwrap();
                world.deployment.step(secret, step, &version).await.unwrap();
                world.check().await;
            }
        }
        for moment in MOMENTS {
            let elapsed = world.deployment.now().duration_since(started);
            world.advance(moment.saturating_sub(elapsed).max(SECOND)).await;
        }
        world.advance(DAY).await;
    }
    // Seven were made, and those of the first months have gone.
    assert_eq!(world.deployment.kids(ACCESS).len(), 2);
    assert_eq!(world.gone_kids.len(), 5, "{:?}", world.gone_kids);
    assert!(world.verifications > 1_000, "{}", world.verifications);
}

/// Somebody rotates by hand, again and again.
#[tokio::test]
async fn rotations_twice_a_day_refuse_no_good_token() {
    let mut world = World::start().await;
    world.check().await;
    for _ in 0..10 {
        for secret in [ACCESS, REFRESH] {
            world.deployment.rotate(secret).await;
        }
        let pauses = [SECOND, Duration::from_hours(3), Duration::from_mins(5), Duration::from_mins(8 * 60 + 50)];
        for pause in pauses {
            world.advance(pause).await;
        }
    }
    assert!(
        !world.gone_kids.is_empty() && world.deployment.kids(ACCESS).len() < 8,
        "{:?}",
        world.deployment.kids(ACCESS)
    );
}
