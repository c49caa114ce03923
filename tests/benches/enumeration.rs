//! Does the time that a failed sign-in takes tell why it failed?
//!
//! Five kinds of failure, in turns whose order is random, on the function itself with the
//! embedded engine. Each kind is compared with an unknown email by two tests of two samples:
//! Welch's of the means, and Kolmogorov and Smirnov's of the whole distributions. A `p` that
//! is not small says that such a difference is what chance makes.
//!
//! ```sh
//! cargo bench -p relatch-tests --bench enumeration -- 1000 8    # samples of each kind, bcrypt cost
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark says what it found")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark fails by panicking")]

use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_lambda::Function;
use relatch_tests::{EventRequest, ItemKey, TestStack};
use signin::SignIn;

const KINDS: [&str; 5] = ["unknown email", "wrong password", "cheaper hash", "disabled", "no password"];

#[tokio::main]
async fn main() {
    let numbers: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (samples, cost) = (numbers.first().copied().unwrap_or(1000), numbers.get(1).copied().unwrap_or(8));
    let max = "1000000";
    let stack = TestStack::start(&[
        ("BCRYPT_COST", &cost.to_string()),
        ("SIGNIN_FREE_ATTEMPTS", max),
        ("SIGNIN_ATTEMPTS_PER_EMAIL", max),
        ("SIGNIN_ATTEMPTS_PER_ADDRESS", max),
    ])
    .await;
    for (kind, stored_cost) in [("1", cost), ("2", cost.saturating_sub(2).max(4)), ("3", cost), ("4", cost)] {
        stack.add_user(kind, "the right password", stored_cost).await;
    }
    stack.set(&ItemKey::user("3"), "status", AttributeValue::S("disabled".to_owned())).await;
    stack.unset(&ItemKey::credential_of("4@example.com"), "password_hash").await;

    let function: Function<SignIn> = stack.function(&[]);
    let mut times: [Vec<f64>; 5] = Default::default();
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..samples + 10 {
        let mut order = [0, 1, 2, 3, 4];
        for place in (1..order.len()).rev() {
            // xorshift: the order needs to be no more than unpredictable to the scheduler.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(place, usize::try_from(random % (u64::try_from(place).unwrap() + 1)).unwrap());
        }
        for kind in order {
            let millis = time_failure(&function, kind).await;
            // The first ones open connections and fill caches.
            if round >= 10 {
                times[kind].push(millis);
            }
        }
    }
    println!("{samples} failed sign-ins of each kind, bcrypt cost {cost}\n");
    println!("{:<15} {:>10} {:>10} {:>9} {:>10}", "kind", "mean ms", "sd ms", "Welch p", "KS p");
    let unknown = &times[0];
    for (kind, sample) in KINDS.iter().zip(&times) {
        let (mean, variance) = moments(sample);
        let tests = (!std::ptr::eq(sample, unknown))
            .then(|| format!("{:>9.3} {:>10.3}", welch(unknown, sample), kolmogorov_smirnov(unknown, sample)));
        println!("{kind:<15} {mean:>10.3} {:>10.3} {}", variance.sqrt(), tests.unwrap_or_default());
    }
}

/// One failed sign-in, in milliseconds.
async fn time_failure(function: &Function<SignIn>, kind: usize) -> f64 {
    let password = if kind == 3 { "the right password" } else { "a wrong password" };
    let event = EventRequest::sign_in(&format!("{kind}@example.com"), password).event().to_string();
    let start = Instant::now();
    let payload = function.respond(&event).await.unwrap();
    let millis = start.elapsed().as_secs_f64() * 1000.0;
    assert_eq!(serde_json::to_value(payload).unwrap()["statusCode"], 401);
    millis
}

fn moments(sample: &[f64]) -> (f64, f64) {
    let size = count(sample);
    let mean = sample.iter().sum::<f64>() / size;
    (mean, sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (size - 1.0))
}

fn count(sample: &[f64]) -> f64 {
    f64::from(u32::try_from(sample.len()).unwrap())
}

/// The two-sided `p` of Welch's test; normal, which it is for hundreds of samples.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let ((mean_a, variance_a), (mean_b, variance_b)) = (moments(a), moments(b));
    let error = (variance_a / count(a) + variance_b / count(b)).sqrt();
    complementary_error_function((mean_a - mean_b).abs() / error / std::f64::consts::SQRT_2)
}

/// The asymptotic `p` of the greatest distance between two distributions.
fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> f64 {
    let sorted = |sample: &[f64]| {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (a, b) = (sorted(a), sorted(b));
    let below = |sample: &[f64], x: f64| count(&sample[..sample.partition_point(|y| *y <= x)]) / count(sample);
    let distance = a.iter().chain(&b).map(|x| (below(&a, *x) - below(&b, *x)).abs()).fold(0.0, f64::max);
    let size = (count(&a) * count(&b) / (count(&a) + count(&b))).sqrt();
    let lambda = (size + 0.12 + 0.11 / size) * distance;
    let terms = (1..=100).map(f64::from).map(|k| {
        let sign = if k % 2.0 == 1.0 { 2.0 } else { -2.0 };
        sign * (-2.0 * k * k * lambda * lambda).exp()
    });
    terms.sum::<f64>().clamp(0.0, 1.0)
}

/// Abramowitz and Stegun 7.1.26, good to seven digits.
fn complementary_error_function(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592]
        .iter()
        .fold(0.0, |sum, factor| (sum + factor) * t);
    polynomial * (-x * x).exp()
}
