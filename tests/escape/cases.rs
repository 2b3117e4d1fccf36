//! One file for each case.

pub(crate) mod f01_dot_dot;
pub(crate) mod f02_absolute;
pub(crate) mod f03_links;
pub(crate) mod f04_proc;
pub(crate) mod f05_race;
pub(crate) mod f08_rename_out_of_protection;
pub(crate) mod f10_hard_links;
pub(crate) mod f11_special_files;
pub(crate) mod f12_windows_names;
pub(crate) mod f13_disguised_git;
pub(crate) mod f14_names_that_are_no_text;
pub(crate) mod f15_long_and_deep;
pub(crate) mod f18_overlay;
pub(crate) mod f59_link_before_accepting;
