// A browser with its files on the disk, which can be ended in every way and put to sleep.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

import { chromium } from "playwright-core";

import { executablePath } from "./settings.mjs";
import { launchOptions } from "./browser.mjs";

export class Profile {
  #folder;
  #process;
  #exited;
  #browser;

  /** A new profile, gone after the test. */
  static async create(t) {
    const profile = new Profile();
    profile.#folder = await mkdtemp(join(tmpdir(), "relatch-browser-"));
    t.after(async () => {
      await profile.crash();
      await rm(profile.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    });
    return profile;
  }

  /** Starts the browser; gives its context. */
  async start() {
    const options = ["--headless", "--remote-debugging-port=0", "--password-store=basic"];
    const args = [...launchOptions.args, ...options, `--user-data-dir=${this.#folder}`, "about:blank"];
    // A process group of its own: the browser is many processes.
    this.#process = spawn(executablePath, args, {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#exited = once(this.#process, "exit");
    const address = await new Promise((resolve, reject) => {
      this.#process.once("exit", () => reject(new Error("the browser did not start")));
      createInterface({ input: this.#process.stderr }).on("line", (line) => {
        const match = /^DevTools listening on (\S+)/.exec(line);
        if (match) resolve(match[1]);
      });
    });
    this.#browser = await chromium.connectOverCDP(address);
    return this.#browser.contexts()[0];
  }

  /** Ends the browser as its user does. */
  async quit() {
    const session = await this.#browser.newBrowserCDPSession();
    await session.send("Browser.close").catch(() => {});
    await this.#exited;
    this.#process = undefined;
  }

  /** Ends it in the middle of whatever it does. */
  async crash() {
    if (this.#process === undefined) return;
    this.#signal("SIGKILL");
    await this.#exited;
    this.#process = undefined;
  }

  /** Stops every process of it, as a laptop does that is closed. */
  async sleep() {
    this.#signal("SIGSTOP");
    // A thread that runs at this moment does so for a moment longer.
    await pause(250);
  }

  wake() {
    this.#signal("SIGCONT");
  }

  #signal(name) {
    process.kill(-this.#process.pid, name);
  }
}
