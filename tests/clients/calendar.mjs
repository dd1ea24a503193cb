// Reads a calendar (RFC 5545) from standard input with ical.js, and prints its entries as JSON, with what the format demands of each.

import ICAL from 'ical.js';

let text = '';
for await (const part of process.stdin) text += part;
const calendar = new ICAL.Component(ICAL.parse(text));
const entries = calendar.getAllSubcomponents('vevent').map((component) => {
  const event = new ICAL.Event(component);
  return {
    uid: event.uid,
    title: event.summary,
    starts: event.startDate.toString(),
    ends: event.endDate.toString(),
    day: event.startDate.isDate,
    stamped: component.getFirstPropertyValue('dtstamp') !== null,
  };
});
console.log(JSON.stringify({ name: calendar.getFirstPropertyValue('x-wr-calname'), version: calendar.getFirstPropertyValue('version'), entries }));
