/** A thread that asks DNS about domains; it has a resolver of its own. */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { clockFrom } from '../cli/time.js';
import { openPoliteResolver } from './polite-resolver.js';
import { surveyDomain } from './survey-domain.js';
import type { Answer, FromSurveyThread, Question, SurveyThreadSettings } from './survey-threads.js';

function start(port: MessagePort, { at, threads, probe, resolver: options }: SurveyThreadSettings): void {
  const say = (message: FromSurveyThread): void => port.postMessage(message);
  const clock = clockFrom(at);
  const onNotice = ({ text }: { readonly text: string }): void => say({ kind: 'notice', text });
  const resolver = openPoliteResolver({ ...options, clock, onNotice }, threads);
  let answers: Answer[] = [];
  const tell = (): void => {
    say({ kind: 'answers', answers });
    answers = [];
  };
  const ask = async ({ number, domain }: Question): Promise<void> => {
    const result = await surveyDomain(domain, { ...probe, clock, resolver, dnsOnly: true });
    // What is found out in one turn of the event loop is told together.
    if (answers.push({ number, result }) === 1) setImmediate(tell);
  };
  port.on('message', (questions: readonly Question[]) => {
    for (const question of questions) void ask(question);
  });
}

if (!isMainThread && parentPort !== null) start(parentPort, workerData);
