//! Web servers, as a tool may ask them. Away from WebAssembly they are a fake in memory, like
//! [`crate::fs`].

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// Policy refuses the host, its address or the URL.
    Denied,
    /// The URL, the method or a header cannot be used.
    InvalidRequest,
    /// The name has no address.
    NotResolved,
    /// Nobody answers there.
    Connect,
    /// No encrypted connection to whom it should be.
    Tls,
    /// It took too long.
    Timeout,
    /// More than the host takes.
    TooLarge,
    /// The other end does not keep to HTTP.
    Protocol,
    /// Sent on too often.
    TooManyRedirects,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub code: ErrorCode,
    /// Names the target, and the remedy where there is one.
    pub message: String,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As `GET`.
    pub method: String,
    /// `http` or `https`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What goes with it.
    pub body: Option<Vec<u8>>,
}

/// What a server answers, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Where it came from in the end: redirects are followed.
    pub url: String,
    /// As 200.
    pub status: u16,
    /// Names and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// As it was sent: what is compressed stays so.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        let header = self.headers.iter().find(named);
        header.map(|(_, value)| value.as_str())
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use fake::*;
#[cfg(target_arch = "wasm32")]
pub use guest::*;

#[cfg(target_arch = "wasm32")]
#[allow(missing_docs)]
mod guest {
    use super::{Error, ErrorCode, Request, Response};
    use crate::abi::boxagnts::tool::http;

    pub fn fetch(request: Request) -> Result<Response, Error> {
        let request = http::Request {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
        };
        match http::fetch(&request) {
            Ok(response) => Ok(Response {
                url: response.url,
                status: response.status,
                headers: response.headers,
                body: response.body,
            }),
            Err(error) => Err(Error {
                code: code(error.code),
                message: error.message,
            }),
        }
    }

    fn code(code: http::ErrorCode) -> ErrorCode {
        match code {
            http::ErrorCode::Denied => ErrorCode::Denied,
            http::ErrorCode::InvalidRequest => ErrorCode::InvalidRequest,
            http::ErrorCode::NotResolved => ErrorCode::NotResolved,
            http::ErrorCode::Connect => ErrorCode::Connect,
            http::ErrorCode::Tls => ErrorCode::Tls,
            http::ErrorCode::Timeout => ErrorCode::Timeout,
            http::ErrorCode::TooLarge => ErrorCode::TooLarge,
            http::ErrorCode::Protocol => ErrorCode::Protocol,
            http::ErrorCode::TooManyRedirects => ErrorCode::TooManyRedirects,
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[allow(missing_docs)]
mod fake {
    use super::{Error, ErrorCode, Request, Response};
    use std::cell::RefCell;

    thread_local! {
        static ANSWER: RefCell<Option<Result<Response, Error>>> = RefCell::default();
        static ASKED: RefCell<Vec<Request>> = RefCell::default();
    }

    /// What this thread's next requests are answered; without it, nothing is allowed.
    pub fn set_answer(answer: Result<Response, Error>) {
        ANSWER.set(Some(answer));
    }

    /// What this thread has asked since the last time.
    pub fn asked() -> Vec<Request> {
        ASKED.take()
    }

    pub fn fetch(request: Request) -> Result<Response, Error> {
        let denied = Error {
            code: ErrorCode::Denied,
            message: format!("`{}` is denied: no host is allowed", request.url),
        };
        ASKED.with_borrow_mut(|asked| asked.push(request));
        ANSWER.with_borrow(Clone::clone).unwrap_or(Err(denied))
    }
}
