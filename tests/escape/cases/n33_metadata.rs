//! The services that give a cloud's credentials to whoever asks are blocked, whatever is allowed.

use crate::harness::{Attack, Case};
use crate::servers::{ANY, DEFAULT, fetch};

pub(crate) const CASE: Case = Case {
    id: "N33",
    attack: "Metadata services: 169.254.169.254, `fd00:ec2::254`, 100.100.100.200",
    expect: &["denied"],
    run,
    ..Case::DEFAULT
};

fn run(attack: &mut Attack) {
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://100.100.100.200/latest/",
        "http://169.254.170.2/v2/credentials",
        "http://[fe80::1]/",
        "https://169.254.169.254/",
    ] {
        let call = fetch(attack, url, ANY, DEFAULT);
        let outcome = attack.attempt(call);
        assert!(outcome.message().contains("block_networks"), "{outcome:#?}");
    }
}
