//! What a project may set. Whoever wrote the repository wrote its file: it may only tighten.

use super::Config;
use super::hooks;
use super::knobs::Setting;
use super::nets::Net;
use super::switches::Switch;
use super::tools::ToolSetting;
use crate::limits::{Limit, Limits};
use crate::rules::Verdict;

impl Config {
    /// Why a project may not set this over what is set already.
    pub(super) fn loosens(&self, setting: &Setting) -> Option<String> {
        match setting {
            Setting::Limit(limit, value) => is_more(*limit, *value, &self.limits),
            Setting::Mode(mode) => (mode.wider(self.mode) != self.mode)
                .then(|| "a project may only choose a stricter mode".to_owned()),
            Setting::MaxOutputTokens(tokens) => (*tokens > self.max_output_tokens)
                .then(|| format!("a project may only tighten: now {}", self.max_output_tokens)),
            Setting::SessionRetentionDays(_) => Some(
                "a project may not choose what your journal keeps; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            Setting::CommitAuthor(_) | Setting::Switch(Switch::CommitSignOff, _) => Some(
                "a project may not choose whose name your commits bear; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            Setting::Switch(switch, on) => {
                (*on && !switch.get(self)).then(|| "a project may only switch it off".to_owned())
            }
            Setting::Model(_) | Setting::Provider(..) => Some(
                "a project may not choose where your code is sent; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            // A price of nothing would open every budget.
            Setting::Known(..) => Some(
                "a project may not choose what models cost and can do; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            Setting::Executor(..) => Some(
                "a project may not choose who works for you; set it in your own configuration"
                    .to_owned(),
            ),
            Setting::Proxy(_) => Some(
                "a project may not choose what connections go through; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            Setting::OtlpEndpoint(_) => Some(
                "a project may not choose who is told of your work; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            Setting::Hooks(hooks) => hooks::loosens(hooks),
            Setting::MapDirs(_) => Some(
                "a project may not choose folders of your machine; set it in your own \
                 configuration"
                    .to_owned(),
            ),
            Setting::Rules(Verdict::Allow, _) => Some(
                "a project may not allow what is asked about; set it in your own configuration"
                    .to_owned(),
            ),
            // These are added to what there is.
            Setting::Rules(Verdict::Ask | Verdict::Deny, _)
            | Setting::Net(Net::BlockNetworks | Net::BlockUrl, _)
            | Setting::Tool(_, ToolSetting::Net(Net::BlockNetworks | Net::BlockUrl, _)) => None,
            // It moves the root that the user's rules are written against.
            Setting::WorkDir(_) => Some(
                "a project may not choose where tools begin; set it in your own configuration"
                    .to_owned(),
            ),
            Setting::Net(Net::AllowedOutboundHosts, hosts) => {
                is_new(hosts, self.nets.get(Net::AllowedOutboundHosts))
            }
            Setting::Tool(name, ToolSetting::Limit(limit, value)) => {
                is_more(*limit, *value, &self.limits_of(name))
            }
            Setting::Tool(name, ToolSetting::Net(Net::AllowedOutboundHosts, hosts)) => {
                is_new(hosts, self.nets_of(name).get(Net::AllowedOutboundHosts))
            }
        }
    }
}

fn is_more(limit: Limit, value: f64, limits: &Limits) -> Option<String> {
    let now = limits.get(limit);
    (value > now).then(|| {
        format!(
            "a project may only tighten: {} is more than {}",
            limit.display(value),
            limit.display(now)
        )
    })
}

fn is_new(hosts: &[String], allowed: &[String]) -> Option<String> {
    let new = hosts.iter().find(|host| !allowed.contains(host))?;
    Some(format!(
        "a project may only tighten: `{new}` is not among the entries so far; add it in your own \
         configuration"
    ))
}
