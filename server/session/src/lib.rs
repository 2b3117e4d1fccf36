//! One conversation: journal, proposal, decisions, budget.
