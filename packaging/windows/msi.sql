-- What wixl does not know, for msibuild: one statement a paragraph.

-- The configuration is never overwritten (128) and stays at removal (16); Win64 is 256.
UPDATE `Component` SET `Attributes` = 400 WHERE `Component` = 'Configuration'

-- An older version is removed within the transaction, so that a failed upgrade brings it back.
UPDATE `InstallExecuteSequence` SET `Sequence` = 1501 WHERE `Action` = 'RemoveExistingProducts'

-- Delayed automatic start (ConfigType 3), at installation and reinstallation (1 + 4).
CREATE TABLE `MsiServiceConfig` (`MsiServiceConfig` CHAR(72) NOT NULL, `Name` CHAR(255) NOT NULL LOCALIZABLE, `Event` SHORT NOT NULL, `ConfigType` LONG NOT NULL, `Argument` CHAR(0), `Component_` CHAR(72) NOT NULL PRIMARY KEY `MsiServiceConfig`)

INSERT INTO `MsiServiceConfig` (`MsiServiceConfig`, `Name`, `Event`, `ConfigType`, `Argument`, `Component_`) VALUES ('DelayedStart', 'recording-agent', 5, 3, '1', 'Program')

-- Before it shuts down Windows waits for the service (ConfigType 7), in ms: it finishes its segments.
INSERT INTO `MsiServiceConfig` (`MsiServiceConfig`, `Name`, `Event`, `ConfigType`, `Argument`, `Component_`) VALUES ('Preshutdown', 'recording-agent', 5, 7, '30000', 'Program')

INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('MsiConfigureServices', 'VersionMsi >= "5.00"', 5850)

-- Recovery: restarted after 2, 10 and 60 seconds, also when it ends with an error instead of dying; a day without failures
-- begins anew. By sc.exe, not by MsiServiceConfigFailureActions. Custom actions of type 34 (a command line) run deferred (1024)
-- as the system (2048); with 64 a failure does not undo the installation.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('RecoveryActions', 3170, 'INSTALLDIR', '"[System64Folder]sc.exe" failure recording-agent reset= 86400 actions= restart/2000/restart/10000/restart/60000')

INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('RecoveryAfterErrors', 3170, 'INSTALLDIR', '"[System64Folder]sc.exe" failureflag recording-agent 1')

INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('RecoveryActions', '$Program = 3', 5860)

INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('RecoveryAfterErrors', '$Program = 3', 5861)

-- Configuration and footage are for the system, administrators and the service only: every user reads in %ProgramData%. The
-- account is there once the service is. A failure undoes the installation. The dot keeps the last backslash from the quote.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('ClosedDirectory', 3106, 'INSTALLDIR', '"[System64Folder]icacls.exe" "[CONFIGDIR]." /inheritance:r /grant:r "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" "NT SERVICE\recording-agent:(OI)(CI)M"')

INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('ClosedDirectory', '$Program = 3', 5870)

-- It belongs to administrators: any user could have made it beforehand, and whoever a directory belongs to can open it.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('OwnedDirectory', 3106, 'INSTALLDIR', '"[System64Folder]icacls.exe" "[CONFIGDIR]." /setowner "*S-1-5-32-544"')

INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('OwnedDirectory', '$Program = 3', 5869)

-- The service starts if the configuration is valid: after an upgrade, or where it was configured beforehand.
INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('StartIfConfigured', 3170, 'INSTALLDIR', '"[System64Folder]cmd.exe" /c ""[INSTALLDIR]recording-agent.exe" check config --without-secrets --config "[CONFIGDIR]agent.toml" && "[System64Folder]sc.exe" start recording-agent"')

INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('StartIfConfigured', '$Program = 3', 5950)
