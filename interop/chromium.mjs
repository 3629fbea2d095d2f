// The browser that the scripts of this folder drive: Chromium, without a window,
// and with a resolver that knows this machine alone.
import { chromium } from "playwright-core";

// loopback matches what stays on this machine.
export const loopback = /^(https?:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]|data:|chrome-error:)/;

export const launch = (executablePath) =>
  chromium.launch({
    executablePath,
    args: [
      ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ],
  });
