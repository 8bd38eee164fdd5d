/** What the servers are told about this program. */
export const CLIENT_INFO = { name: "automcp", version: "0.1.0" };
