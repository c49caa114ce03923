//! What a failed call to DynamoDB means for the request.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::failure::Failure;

/// Throttling and conflicts: the same call may succeed a moment later.
const PASSING: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Whether a write was refused by its own condition.
pub(crate) fn is_condition_failure<E: ProvideErrorMetadata>(
    failure: &SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> bool {
    failure_code(failure) == "ConditionalCheckFailedException"
}

/// Passing trouble is [`Failure::Unavailable`]; what no retry mends (a missing table, a
/// refused permission, an invalid request) is [`Failure::Internal`].
pub(crate) fn classify<E: ProvideErrorMetadata>(
    operation: &'static str,
    failure: &SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> Failure {
    let code = failure_code(failure);
    match failure {
        SdkError::ServiceError(service) => {
            let is_passing = PASSING.contains(&code) || service.raw().status().is_server_error();
            if is_passing { Failure::unavailable(operation, code) } else { Failure::internal(operation, code) }
        }
        SdkError::ConstructionFailure(_) => Failure::internal(operation, code),
        _ => Failure::unavailable(operation, code),
    }
}

/// What an operation failed with: the service's error code, or where on the way it
/// was lost. Fixed words and codes only, nothing of a request or an item.
pub(crate) fn failure_code<E: ProvideErrorMetadata, R>(failure: &SdkError<E, R>) -> &str {
    match failure {
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "not reached",
        SdkError::ResponseError(_) => "the response was cut off",
        SdkError::ServiceError(service) => service.err().meta().code().unwrap_or("an error without a code"),
        _ => "failed",
    }
}
