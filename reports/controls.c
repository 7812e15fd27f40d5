#include "reports/controls.h"

#include <string.h>

#include "base/macros.h"
#include "reports/make.h"

#define APP "what the applications do themselves and do not log"

static const struct control nist_800_53[] = {
    { "ac-2.4", "automated audit of account actions", E(4), "accounts outside of the channels", 0 },
    { "ac-2.12", "unusual use of accounts", E(7), "what is unusual is the rules' choice", 0 },
    { "ac-6.9", "use of privileged functions is logged", E(3),
      "root's commands, unless sudo or auditd is a channel", 0 },
    { "ac-7", "unsuccessful logins are limited", E(1) | E(2),
      "whether the application locks by itself", 0 },
    { "ac-17.1", "remote access is monitored", E(1), "what goes on inside of tunnels", 0 },
    { "au-2", "events to be logged", E(6), "the organisation's choice of events", 0 },
    { "au-3", "content of records", E(6), "fields that an application does not log", 0 },
    { "au-3.1", "further content of records", E(6), "fields that an application does not log", 0 },
    { "au-4", "room for records", E(10), "", 0 },
    { "au-5", "response to failures of logging", E(11), "", 0 },
    { "au-5.1", "warning before the room ends", E(10) | E(11), "", 0 },
    { "au-5.2", "alerts in time", E(11) | E(7), "", 0 },
    { "au-6", "review and reporting", E(7) | E(9), "that the reader understood it", 0 },
    { "au-6.1", "automated review", E(7), "", 0 },
    { "au-6.3", "repositories correlated", E(6) | E(7), "", 0 },
    { "au-6.5", "integrated analysis", E(7), "scans and flows of other tools", 0 },
    { "au-7", "reduction and reports", E(15), "", 0 },
    { "au-7.1", "automated processing", E(15), "", 0 },
    { "au-8", "time stamps", E(12), "clocks of who writes the logs", 0 },
    { "au-9", "records are protected", E(5) | E(15),
      "access to the disk itself; root since the last anchor", 0 },
    { "au-9.2", "records on another system", E(5) | E(13), "", 0 },
    { "au-9.3", "cryptographic protection", E(5), "", 0 },
    { "au-9.4", "few may manage records", E(15), "who is root", 0 },
    { "au-10", "non-repudiation", E(5), "that the named person held the account", 0 },
    { "au-11", "retention of records", E(10), "", 0 },
    { "au-12", "records are generated", E(6), "the organisation's choice of events", 0 },
    { "au-12.1", "one trail over the system, by time", E(5) | E(6), "", 0 },
    { "au-12.3", "changes of logging by those allowed", E(3), "", 0 },
    { "ca-7", "continuous monitoring", E(5) | E(11), "the programme", 0 },
    { "ir-4", "incidents are handled", E(7) | E(8), "decisions outside of this program", 0 },
    { "ir-5", "incidents are monitored", E(7) | E(8), "", 0 },
    { "ir-5.1", "automated tracking of incidents", E(7), "", 0 },
    { "ir-6", "incidents are reported", E(7) | E(13), "reports to authorities", 0 },
    { "si-4", "the system is monitored", E(6) | E(7), "network flows", 0 },
    { "si-4.2", "automated analysis", E(7), "", 0 },
    { "si-4.4", "traffic in and out", E(7), "network flows", 0 },
    { "si-4.5", "alerts to people", E(7) | E(13), "", 0 },
    { "si-4.12", "automated alerts", E(7) | E(13), "", 0 },
    { "si-7", "integrity", E(5) | E(3), "files of the operating system", 0 },
};

static const struct control pci_dss[] = {
    { "8.2.4", "accounts are added, changed and removed by those allowed", E(4), "approvals", 0 },
    { "8.2.5", "leavers lose access at once", E(4), "who left", 0 },
    { "8.2.6", "accounts unused for 90 days", E(1) | E(4), "accounts that never logged in", 0 },
    { "8.3.4", "lock after at most 10 tries, for 30 minutes", E(2), "the application's own lock",
      0 },
    { "8.4", "several factors", 0, "which factors a login used: most applications do not log it",
      0 },
    { "10.2.1", "logs are on", E(6), APP, 0 },
    { "10.2.1.1", "access of users", E(1), "access to card data that an application does not log",
      0 },
    { "10.2.1.2", "acts of administrators", E(3), "root's commands, unless they are a channel", 0 },
    { "10.2.1.3", "access to the logs", E(15), "reads of files without this program", 0 },
    { "10.2.1.4", "refused logins", E(1), APP, 0 },
    { "10.2.1.5", "changes of credentials", E(4), APP, 0 },
    { "10.2.1.6", "logging begun, stopped, paused", E(11), "", 0 },
    { "10.2.1.7", "objects of the system made and deleted", E(4), APP, 0 },
    { "10.2.2", "content of records", E(6), "fields that an application does not log", 0 },
    { "10.3.1", "reading is limited", E(15), "who is root", 0 },
    { "10.3.2", "records are not modified", E(5), "", 0 },
    { "10.3.3", "copies elsewhere, soon", E(13) | E(5), "", 0 },
    { "10.3.4", "changes of records are noticed", E(5), "", 0 },
    { "10.4.1", "review each day", E(7) | E(9), "", 0 },
    { "10.4.1.1", "automated review", E(7), "", 0 },
    { "10.4.2", "other logs from time to time", E(9), "how often is the risk analysis' word", 0 },
    { "10.4.2.1", "how often, by risk", 0, "the risk analysis", 0 },
    { "10.4.3", "exceptions are dealt with", E(7) | E(9), "", 0 },
    { "10.5.1", "12 months, 3 of them at hand", E(10), "", 365 },
    { "10.6.1", "clocks agree", E(12), "other hosts", 0 },
    { "10.6.2", "time from few sources", 0, "the settings of NTP", 0 },
    { "10.6.3", "changes of time are watched", E(12), "other hosts", 0 },
    { "10.7.1", "failures of controls are noticed (service providers)", E(11), "", 0 },
    { "10.7.2", "failures of controls are noticed", E(11), "", 0 },
    { "10.7.3", "failures of controls are answered", E(11) | E(9), "", 0 },
    { "11.5.1", "intrusions are noticed", E(7), "the network: only what logs show", 0 },
    { "12.10.1", "response to incidents is ready", E(7) | E(8), "the plan", 0 },
    { "12.10.5", "alerts of monitoring are answered", E(7) | E(8), "the plan", 0 },
};

static const struct control soc2[] = {
    { "CC6.1", "logical access", E(1) | E(2), "how access is designed", 0 },
    { "CC6.2", "access is given and taken", E(4), "approvals", 0 },
    { "CC6.3", "roles and rights change", E(4), "approvals", 0 },
    { "CC6.6", "threats from outside", E(7) | E(8), "rules of firewalls", 0 },
    { "CC6.7", "data that leaves", E(13), "data beyond messages and logs", 0 },
    { "CC6.8", "unwanted software", E(7), "scanners of malware", 0 },
    { "CC7.1", "changes of configuration are noticed", E(3), "scans for vulnerabilities", 0 },
    { "CC7.2", "the system is monitored", E(6) | E(7) | E(11), "", 0 },
    { "CC7.3", "events are judged", E(7) | E(9), "the reasons of a decision", 0 },
    { "CC7.4", "incidents are answered", E(8) | E(9), "", 0 },
    { "CC7.5", "recovery", E(8), "lessons learnt", 0 },
    { "CC8.1", "changes", E(3), "changes of other systems", 0 },
    { "A1.1", "capacity", E(10), "the plan", 0 },
    { "A1.2", "environment and recovery", E(11), "backups", 0 },
    { "P4.2", "personal data is kept as promised", E(10) | E(14), "the promise", 0 },
    { "P4.3", "personal data is disposed of", E(14), "", 0 },
};

static const struct control iso27001[] = {
    { "A.5.15", "access control", E(1) | E(4), "the policy", 0 },
    { "A.5.16", "identities", E(4), "", 0 },
    { "A.5.17", "authentication information", E(1) | E(4), "", 0 },
    { "A.5.18", "rights of access", E(4), "approvals", 0 },
    { "A.5.24", "incidents are prepared for", E(7), "the plan", 0 },
    { "A.5.25", "events are assessed", E(7) | E(9), "", 0 },
    { "A.5.26", "incidents are answered", E(7) | E(8), "", 0 },
    { "A.5.27", "learning from incidents", 0, "what was learnt", 0 },
    { "A.5.28", "evidence is collected", E(5), "", 0 },
    { "A.5.33", "records are protected", E(5) | E(10), "", 0 },
    { "A.5.34", "privacy", E(14), "", 0 },
    { "A.5.36", "compliance is checked", E(15), "", 0 },
    { "A.8.2", "privileged rights", E(3) | E(4), "", 0 },
    { "A.8.3", "access to information is limited", E(15), "", 0 },
    { "A.8.5", "secure authentication", E(1) | E(2), "", 0 },
    { "A.8.6", "capacity", E(10), "", 0 },
    { "A.8.13", "backups", 0, "backups", 0 },
    { "A.8.15", "logging", E(5) | E(6) | E(15), "", 0 },
    { "A.8.16", "monitoring", E(6) | E(7) | E(11), "", 0 },
    { "A.8.17", "clocks", E(12), "other hosts", 0 },
    { "A.8.20", "networks", E(8), "the network's devices", 0 },
    { "A.8.21", "services of networks", E(8), "the network's devices", 0 },
    { "A.8.34", "audits of running systems", E(15), "", 0 },
};

static const struct control hipaa[] = {
    { "164.308(a)(1)(ii)(D)", "review of activity", E(9), "", 0 },
    { "164.308(a)(3)(ii)(C)", "access ends with employment", E(4), "who left", 0 },
    { "164.308(a)(4)", "access is authorised", E(4), "approvals", 0 },
    { "164.308(a)(5)(ii)(C)", "logins are monitored", E(1) | E(2), "", 0 },
    { "164.308(a)(6)(ii)", "response and reporting", E(7) | E(8), "", 0 },
    { "164.312(a)(2)(i)", "each user is known", E(1), "shared accounts", 0 },
    { "164.312(b)", "audit controls", E(5) | E(6), "", 0 },
    { "164.312(c)(1)", "integrity", E(5), "integrity of health data itself: only of the log", 0 },
    { "164.312(c)(2)", "integrity can be checked", E(5),
      "integrity of health data itself: only of the log", 0 },
    { "164.312(d)", "who it is, is authenticated", E(1), "", 0 },
    { "164.312(e)", "transmission", E(13), "other connections", 0 },
    { "164.316(b)(2)(i)", "documents are kept 6 years", E(10), "documents elsewhere", 2190 },
};

static const struct control nist_csf[] = {
    { "PR.AA-01", "identities and credentials", E(4), "", 0 },
    { "PR.AA-03", "users are authenticated", E(1), "", 0 },
    { "PR.AA-05", "rights are managed", E(4) | E(1), "", 0 },
    { "PR.PS-04", "log records are made", E(6), "", 0 },
    { "PR.DS-01", "data at rest", E(5), "data beyond the trail", 0 },
    { "PR.DS-02", "data on its way", E(13), "other connections", 0 },
    { "DE.CM-01", "networks are monitored", E(6) | E(7), "network flows", 0 },
    { "DE.CM-03", "people's activity is monitored", E(1) | E(7), "", 0 },
    { "DE.CM-06", "service providers are monitored", E(6) | E(7), "", 0 },
    { "DE.CM-09", "hosts and software are monitored", E(6) | E(7), "", 0 },
    { "DE.AE-02", "events are analysed", E(7), "", 0 },
    { "DE.AE-03", "events are correlated", E(7), "", 0 },
    { "DE.AE-04", "scope is estimated", E(7), "", 0 },
    { "DE.AE-06", "those concerned are told", E(7) | E(13), "", 0 },
    { "DE.AE-07", "knowledge of threats", 0, "feeds of threats", 0 },
    { "DE.AE-08", "incidents are declared", E(7) | E(9), "", 0 },
    { "RS.MA-01", "the plan is carried out", E(8), "the plan", 0 },
    { "RS.MA-02", "reports are triaged", E(7) | E(9), "", 0 },
    { "RS.MA-03", "incidents are ranked", E(7), "", 0 },
    { "RS.MA-04", "incidents are escalated", E(7) | E(13), "", 0 },
    { "RS.MA-05", "recovery begins", 0, "recovery", 0 },
    { "RS.AN-03", "what happened, and why", E(7), "the root cause", 0 },
    { "RS.AN-06", "acts are recorded, unchanged", E(5) | E(9), "", 0 },
    { "RS.AN-07", "data of incidents is kept, unchanged", E(5), "", 0 },
    { "RS.AN-08", "size of an incident", E(7), "", 0 },
    { "RS.CO-02", "those concerned are told", E(7) | E(13), "people outside", 0 },
    { "RS.CO-03", "information is shared", E(13), "people outside", 0 },
    { "RS.MI-01", "incidents are contained", E(8), "", 0 },
    { "RS.MI-02", "incidents are ended", E(8), "", 0 },
    { "ID.IM-02", "improvement from tests", E(9), "", 0 },
    { "ID.IM-03", "improvement from work", E(9), "", 0 },
    { "GV.OV-03", "performance over time", E(7) | E(10), "", 0 },
};

static const struct control gdpr[] = {
    { "Art. 5(1)(e)", "storage is limited", E(10) | E(14), "", 0 },
    { "Art. 5(1)(f)", "integrity and confidentiality", E(5) | E(15), "", 0 },
    { "Art. 15", "right of access", E(14), "a report for one person: `report user`", 0 },
    { "Art. 17", "right to erasure", E(14), "copies elsewhere", 0 },
    { "Art. 30", "records of processing", E(6), "purposes and legal basis", 0 },
    { "Art. 32(1)(b)", "confidentiality, integrity, availability", E(5) | E(11) | E(15), "", 0 },
    { "Art. 32(1)(d)", "regular testing", E(5), "", 0 },
    { "Art. 33(1)", "notice within 72 hours", E(7), "risk to persons; when the notice was sent",
      0 },
    { "Art. 33(3)", "content of the notice", E(7), "consequences", 0 },
    { "Art. 33(5)", "breaches are documented", E(5) | E(7), "", 0 },
    { "Art. 34", "those concerned are told", 0, "whom to tell: `report user` says what is held",
      0 },
};

static const struct control cis[] = {
    { "6.2", "access is taken", E(4), "who left", 0 },
    { "8.1", "a process for logs", 0, "the process", 0 },
    { "8.2", "logs are collected", E(6), "", 0 },
    { "8.3", "room for logs", E(10), "", 0 },
    { "8.4", "clocks agree", E(12), "other hosts", 0 },
    { "8.5", "detailed logs", E(6), "fields that an application does not log", 0 },
    { "8.6", "queries of DNS", 0, "no such channel", 0 },
    { "8.7", "requests of URLs", 0, "no such channel, unless a web server is one", 0 },
    { "8.8", "command lines", 0, "no such channel, unless sudo is one", 0 },
    { "8.9", "logs are centralised", E(13), "", 0 },
    { "8.10", "logs are kept 90 days", E(10), "", 90 },
    { "8.11", "logs are reviewed each week", E(9), "", 0 },
    { "8.12", "logs of service providers", 0, "their logs", 0 },
    { "13.1", "alerts are centralised", E(7) | E(13), "", 0 },
    { "13.11", "thresholds are tuned", E(3), "", 0 },
    { "17.4", "a process for incidents", E(7), "the process", 0 },
    { "17.9", "thresholds of incidents", E(7), "", 0 },
};

#define CONTROLS(list) (list), ARRAY_SIZE(list)

const struct standard standards[] = {
    { "soc2", "SOC 2 (Trust Services Criteria 2017, points of focus 2022)", CONTROLS(soc2) },
    { "pci-dss", "PCI DSS 4.0.1", CONTROLS(pci_dss) },
    { "iso27001", "ISO/IEC 27001:2022, annex A", CONTROLS(iso27001) },
    { "nist-800-53", "NIST SP 800-53 revision 5", CONTROLS(nist_800_53) },
    { "nist-csf", "NIST CSF 2.0", CONTROLS(nist_csf) },
    { "hipaa", "HIPAA security rule (45 CFR part 164)", CONTROLS(hipaa) },
    { "gdpr", "GDPR (EU) 2016/679", CONTROLS(gdpr) },
    { "cis", "CIS Controls 8.1", CONTROLS(cis) },
};
const size_t nstandards = ARRAY_SIZE(standards);

const struct standard *standard_find(const char *p, size_t n)
{
    for (size_t i = 0; i < nstandards; i++)
        if (strlen(standards[i].name) == n && memcmp(standards[i].name, p, n) == 0)
            return &standards[i];
    return NULL;
}

const char *report_standard(size_t i)
{
    return i < nstandards ? standards[i].name : NULL;
}
