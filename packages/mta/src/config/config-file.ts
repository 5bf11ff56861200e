/** Where the configuration is if nobody names another file. Apart, as some commands load nothing else. */
export const CONFIG_FILE = '/etc/danelaw/danelaw.toml';
