//! What `[tools.NAME]` sets for one tool alone.

use super::knobs::{did_you_mean, list, scalar};
use super::nets::{Net, Nets, add};
use crate::limits::{self, Limit, Limits};
use serde_json::Value;
use std::collections::BTreeMap;

/// A knob of one tool with a value that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ToolSetting {
    Limit(Limit, f64),
    Net(Net, Vec<String>),
}

impl ToolSetting {
    pub(super) fn parse(key: &str, field: &str, value: &Value) -> Result<ToolSetting, String> {
        if let Some(net) = Net::ALL.into_iter().find(|net| net.name() == field) {
            let entries = list(key, value)?;
            net.check(&entries)
                .map_err(|reason| reason.replacen(field, key, 1))?;
            return Ok(ToolSetting::Net(net, entries));
        }
        let limit = Limit::OF_A_CALL.iter().find(|limit| limit.name() == field);
        let Some(&limit) = limit else {
            return Err(did_you_mean(key, field, &keys(), ""));
        };
        limits::parse(limit, scalar(key, value)?.trim())
            .map(|value| ToolSetting::Limit(limit, value))
            .map_err(|error| format!("`{key}`: {error}"))
    }

    pub(super) fn field(&self) -> &'static str {
        match self {
            ToolSetting::Limit(limit, _) => limit.name(),
            ToolSetting::Net(net, _) => net.name(),
        }
    }
}

/// The keys of `[tools.NAME]`.
pub(super) fn keys() -> Vec<String> {
    let nets = Net::ALL.into_iter().map(Net::name);
    let limits = Limit::OF_A_CALL.iter().map(|limit| limit.name());
    nets.chain(limits).map(str::to_owned).collect()
}

/// The settings of one tool. What a project sets is kept apart: it tightens whatever comes to hold
/// without it, also what a later layer sets for all tools.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Own {
    limits: BTreeMap<Limit, f64>,
    allowed: Option<Vec<String>>,
    networks: Option<Vec<String>>,
    /// Every layer adds to it.
    urls: Vec<String>,
    project: Tightened,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Tightened {
    limits: BTreeMap<Limit, f64>,
    allowed: Option<Vec<String>>,
    networks: Vec<String>,
}

impl Own {
    pub(super) fn apply(&mut self, by_project: bool, setting: &ToolSetting) {
        match (setting, by_project) {
            (ToolSetting::Net(Net::BlockUrl, entries), _) => add(&mut self.urls, entries),
            (ToolSetting::Limit(limit, value), true) => {
                self.project.limits.insert(*limit, *value);
            }
            (ToolSetting::Net(Net::AllowedOutboundHosts, entries), true) => {
                self.project.allowed = Some(entries.clone());
            }
            (ToolSetting::Net(Net::BlockNetworks, entries), true) => {
                add(&mut self.project.networks, entries);
            }
            // The user has the last word.
            (ToolSetting::Limit(limit, value), false) => {
                self.limits.insert(*limit, *value);
                self.project.limits.remove(limit);
            }
            (ToolSetting::Net(Net::AllowedOutboundHosts, entries), false) => {
                self.allowed = Some(entries.clone());
                self.project.allowed = None;
            }
            (ToolSetting::Net(Net::BlockNetworks, entries), false) => {
                self.networks = Some(entries.clone());
                self.project.networks.clear();
            }
        }
    }

    /// As a project would: it never gives more than there is.
    pub(super) fn tighten(&mut self, setting: &ToolSetting) {
        if let ToolSetting::Limit(limit, value) = setting {
            let least = self.project.limits.get(limit);
            let value = least.map_or(*value, |least| value.min(*least));
            self.project.limits.insert(*limit, value);
        }
    }

    /// The limits of this tool, given those of all tools.
    pub(super) fn limits(&self, all: &Limits) -> Limits {
        let mut limits = all.clone();
        for (limit, value) in &self.limits {
            limits.put(*limit, *value);
        }
        for (limit, value) in &self.project.limits {
            limits.put(*limit, value.min(limits.get(*limit)));
        }
        limits
    }

    /// Where this tool may connect to, given what holds for all tools.
    pub(super) fn nets(&self, all: &Nets) -> Nets {
        let mut nets = all.clone();
        if let Some(allowed) = &self.allowed {
            nets.get_mut(Net::AllowedOutboundHosts).clone_from(allowed);
        }
        if let Some(only) = &self.project.allowed {
            nets.get_mut(Net::AllowedOutboundHosts)
                .retain(|entry| only.contains(entry));
        }
        if let Some(networks) = &self.networks {
            nets.get_mut(Net::BlockNetworks).clone_from(networks);
        }
        add(nets.get_mut(Net::BlockNetworks), &self.project.networks);
        add(nets.get_mut(Net::BlockUrl), &self.urls);
        nets
    }

    /// The limits that are set.
    pub(super) fn set_limits(&self) -> impl Iterator<Item = Limit> {
        let is_set = |l: &Limit| self.limits.contains_key(l) || self.project.limits.contains_key(l);
        Limit::OF_A_CALL.iter().copied().filter(is_set)
    }

    /// The network knobs that are set, and whether what holds for all tools is part of the value.
    pub(super) fn set_nets(&self) -> Vec<(Net, bool)> {
        let mut set = Vec::new();
        if self.allowed.is_some() || self.project.allowed.is_some() {
            set.push((Net::AllowedOutboundHosts, false));
        }
        if self.networks.is_some() || !self.project.networks.is_empty() {
            set.push((Net::BlockNetworks, self.networks.is_none()));
        }
        if !self.urls.is_empty() {
            set.push((Net::BlockUrl, true));
        }
        set
    }
}
