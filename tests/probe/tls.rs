//! `tls`: the certificate itself. What handshakes make of bad ones is in `http`.

use std::time::{Duration, SystemTime};

use catchment::health::{CheckKind, Tls, Verdict};

use crate::support::*;

fn tls(min_days: Option<u16>, verify: bool) -> CheckKind {
    CheckKind::Tls(Tls { server_name: Some("www.example.com".to_owned()), verify, min_days })
}

#[tokio::test]
async fn days_to_the_end_of_a_certificate() {
    let authority = authority();
    let ends_in = |hours: u64| {
        let end = SystemTime::now() + Duration::from_hours(hours) + Duration::from_mins(5);
        move |params: &mut rcgen::CertificateParams| params.not_after = end.into()
    };
    let known = async |address, kind: CheckKind, verdict, words: &str| {
        check(&probe(address, once(kind, 10_000), vec![authority.der().clone()]).await, verdict, words);
    };
    let month = https_server("www.example.com", ends_in(30 * 24), Some(&authority)).await;
    known(month, tls(None, true), Verdict::Good, "certificate is valid for 30 days").await;
    known(month, tls(Some(30), true), Verdict::Good, "certificate is valid for 30 days").await;
    let soon = "TLS: certificate expires in 30 days, wanted 31 days";
    known(month, tls(Some(31), true), Verdict::Bad, soon).await;
    // The same of a whole request.
    let https = |min_days| {
        let http = catchment::health::Http { host: Some("www.example.com".to_owned()), ..Default::default() };
        CheckKind::Https(http, Tls { min_days: Some(min_days), ..Tls::default() })
    };
    known(month, https(7), Verdict::Good, "HTTP 200").await;
    known(month, https(31), Verdict::Bad, soon).await;

    let hours = https_server("www.example.com", ends_in(5), Some(&authority)).await;
    known(hours, tls(Some(1), true), Verdict::Bad, "TLS: certificate expires in 5 hours, wanted 1 day").await;
    known(hours, tls(Some(0), true), Verdict::Good, "certificate is valid for 5 hours").await;
    known(nobody().await, tls(None, true), Verdict::Bad, "connection refused").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_checked_still_has_its_time() {
    let three_days_ago = SystemTime::now() - Duration::from_hours(72 + 1);
    let expired = https_server("x", |params| params.not_after = three_days_ago.into(), None).await;
    check_http(expired, tls(None, false), Verdict::Good, "certificate has expired").await;
    check_http(expired, tls(Some(0), false), Verdict::Bad, "TLS: certificate expired 3 days ago").await;
    let unknown = "TLS: certificate expired 3 days ago";
    let authority = authority();
    let signed = https_server("www.example.com", |params| params.not_after = three_days_ago.into(), Some(&authority));
    let report = probe(signed.await, once(tls(None, true), 10_000), vec![authority.der().clone()]).await;
    check(&report, Verdict::Bad, unknown);
    let phases = report.last.unwrap().observation.phases;
    assert!(phases.connect.is_some() && phases.first_byte.is_none());
}
