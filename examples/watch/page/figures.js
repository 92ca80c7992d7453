// What the figures of a record say in words, such as `1.42 s` and `1,200 (1,000 cached) → 310 tokens`.

const grouped = (number) => number.toLocaleString("en");
const count = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;

// The figures of a record in words, its error, and the other properties.
function figures(record) {
  const left = { ...record.properties };
  for (const name of ["latency", "assistant_id", "thread_id"]) if (name in record) left[name] = record[name];
  const take = (kind, name, words) => {
    const value = left[name];
    if (typeof value !== kind) return "";
    delete left[name];
    return words(value);
  };
  const word = (name, words = (value) => value) => take("string", name, words);
  const number = (name, words = figure) => take("number", name, words);
  const tokens = (side, ...parts) => {
    const known = parts.map(([name, what]) => number(`gen_ai.usage.${name}.${side}_tokens`, (value) => `${figure(value)} ${what}`));
    const list = known.filter(Boolean).join(", ");
    return number(`gen_ai.usage.${side}_tokens`, (total) => figure(total) + (list && ` (${list})`));
  };

  const input = tokens("input", ["cache_read", "cached"], ["cache_write", "into cache"]);
  const output = tokens("output", ["reasoning", "reasoning"]);
  const bothWays = input && output ? `${input} → ${output} tokens` : input ? `${input} tokens in` : output && `${output} tokens out`;
  const [min, max] = [number("feedback.score_min"), number("feedback.score_max")];
  const hasOutcome = word("outcome") !== "";
  const error = [word("error.type"), word("error_message")].filter(Boolean).join(": ");
  const facts = [
    word("gen_ai.tool.name"),
    word("retrieval.name"),
    number("retrieval.results", (found) => count(found, "result")),
    number("latency", seconds),
    // Another program's `duration` may be in any unit; that of a step or a call has an outcome beside it.
    hasOutcome && number("duration", seconds),
    number("gen_ai.response.time_to_first_chunk", (first) => `first token ${seconds(first)}`),
    bothWays,
    number("cost.amount", (amount) => `${figure(amount)} ${word("cost.currency")}`),
    word("gen_ai.response.model"),
    word("feedback.thumb", (thumb) => `thumb ${thumb}`),
    number("feedback.score", (score) => `score ${figure(score)}${min && max && ` of ${min} to ${max}`}`),
    word("feedback.label"),
  ];
  const others = Object.entries(left).sort(([one], [other]) => isId(one) - isId(other));
  return { facts: facts.filter(Boolean), error, others };
}

const isId = (name) => name.endsWith("_id") || name.endsWith(".id");

// `182 ms` below a second, `1.42 s` from there.
function seconds(time) {
  return time < 0.9995 ? `${figure(Math.round(time * 1e5) / 1e2)} ms` : `${figure(time)} s`;
}

// At least the whole part, with thousands separators, and at least three digits: `12,345`, `1.42`, `0.00035`.
function figure(number) {
  const decimals = Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(number))), 0), 12);
  figure.formats ??= new Map(); // Making one takes long.
  if (!figure.formats.has(decimals)) figure.formats.set(decimals, new Intl.NumberFormat("en", { maximumFractionDigits: decimals }));
  return figure.formats.get(decimals).format(number);
}
