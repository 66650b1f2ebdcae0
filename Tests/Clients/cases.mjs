// Runs named cases one after the other. Each ends in one line that scripts/test-clients counts: `case<TAB>passed|failed<TAB>seconds<TAB>name<TAB>what`.
import { createHash } from 'node:crypto';

export const need = (name) => process.env[name] ?? stop(`${name} is not set; start this by scripts/test-clients`);

export function expect(condition, what) {
  if (!condition) throw new Error(what);
}

export const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** @param {Record<string, () => Promise<string>>} cases what each did, in a few words */
export async function run(client, cases, limitSeconds = 90) {
  let failed = 0;
  for (const [name, body] of Object.entries(cases)) {
    const began = performance.now();
    let verdict = 'passed', what;
    try {
      what = await Promise.race([body(), late(limitSeconds)]);
    } catch (error) {
      verdict = 'failed';
      failed++;
      what = String(error?.message ?? error);
      console.error(error);
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(['case', verdict, seconds, `${client}: ${name}`, what.replaceAll(/\s+/g, ' ').slice(0, 160)].join('\t'));
  }
  process.exit(failed === 0 ? 0 : 1);
}

export function stop(message) {
  console.error(message);
  process.exit(2);
}

const late = (seconds) => new Promise((_, reject) => setTimeout(() => reject(new Error(`nothing after ${seconds} s`)), seconds * 1000));
