//! The agents' doors: FusionInventory, GLPI legacy, OCS, native.
