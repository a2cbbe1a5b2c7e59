// Fills the overview from one request. Everything it is told is text here, never markup.
"use strict";

const KINDS = { experiments: "experiment", models: "registered model", prompts: "prompt" };
const EMPTY = {
  local: {
    with_me: "A local server has no access control: everything here is yours to read and to write.",
    by_me: "There is nothing to share on one machine. Deployed to AWS, Cairn shares experiments, models and prompts with other accounts.",
  },
  owner: {
    with_me: "Nothing needs to be: you may see everything here.",
    by_me: "You share nothing. A share gives other accounts what you choose, and can be revoked at any time.",
  },
  guest: {
    experiments: "There is no experiment that you may see.",
    with_me: "Nothing is shared with you. Ask the owner of this tracking server for a share of what you need.",
  },
  reader: { by_me: "Who manages this tracking server shares from it." },
};

const at = (id) => document.getElementById(id);

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// In AWS this page, MLflow's UI and its calls are below "ui", and the UI has a name of its own.
const IN_AWS = location.pathname.endsWith("/ui/cairn");
const HOME = IN_AWS ? "index.html" : "./";

// The address that a script needs: this page's, without its own name and what is there for browsers. A page
// without a stage before it came from a distribution, which does not lead to the API.
function trackingUri() {
  if (location.pathname === "/ui/cairn") return "<TrackingUri of the deployment>";
  return new URL(IN_AWS ? ".." : ".", location.href).href.replace(/\/$/, "");
}

function fill(list, entries, item, empty) {
  at(list).replaceChildren(...entries.map(item));
  at(`${list}-empty`).hidden = entries.length > 0;
  if (empty) at(`${list}-empty`).textContent = empty;
}

function experiment(entry) {
  const item = document.createElement("li");
  const link = element("a", entry.name);
  // Its runs: without them the UI opens an overview of traces, at the first visit.
  link.href = `${HOME}#/experiments/${encodeURIComponent(entry.experiment_id)}/runs`;
  const created = new Date(entry.creation_time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  item.append(link, element("span", entry.note ? `${created} · ${entry.note}` : created));
  return item;
}

function shared(entry) {
  const kind = KINDS[entry.kind] || entry.kind;
  const what = { id: `${kind} ${entry.text}`, name: `${kind} ${entry.text}`, prefix: `${kind}s ${entry.text}*` };
  const item = document.createElement("li");
  item.append(element("strong", entry.match === "prefix" && !entry.text ? `all ${kind}s` : what[entry.match]));
  item.append(element("span", [entry.permission, entry.who, entry.share].filter(Boolean).join(" · ")));
  return item;
}

function emptyFor(caller) {
  if (caller.kind === "local") return EMPTY.local;
  const texts = caller.everything === "NONE" ? { ...EMPTY.owner, ...EMPTY.guest } : EMPTY.owner;
  return caller.everything === "MANAGE" ? texts : { ...texts, ...EMPTY.reader };
}

// Who is signed in may be bounded below what the principal may.
function bounded(caller) {
  return caller.ceiling === "MANAGE" ? caller.principal : `${caller.principal} (${caller.ceiling} at most)`;
}

function show(overview) {
  const local = overview.caller.kind === "local";
  const empty = emptyFor(overview.caller);
  at("caller").textContent = local ? `${overview.caller.name}, cairn local` : bounded(overview.caller);
  at("setup").textContent = overview.setup.join("\n").replaceAll("{uri}", trackingUri());
  at("setup-hint").textContent = local
    ? "MLflow's own client, with nothing of Cairn's installed beside it."
    : "Calls are signed with the AWS credentials of the machine that runs the script.";
  fill("experiments", overview.experiments, experiment, empty.experiments);
  fill("with-me", overview.shared_with_me, shared, empty.with_me);
  fill("by-me", overview.shared_by_me, shared, empty.by_me);
  at("versions").textContent = `Cairn ${overview.versions.cairn} · MLflow ${overview.versions.mlflow}`;
}

// Empty boxes tell nothing, where nothing was told.
function healthy(good, text) {
  at("told").hidden = !at("setup").textContent;
  at("health").dataset.state = good ? "good" : "bad";
  at("health").textContent = text;
}

async function load() {
  const asked = performance.now();
  let answer;
  try {
    answer = await fetch("api/3.0/cairn/overview");
    if (IN_AWS && answer.status === 401) return location.replace("sign-in");
    const body = await answer.json();
    if (!answer.ok) return healthy(false, body.message || `answers ${answer.status}`);
    show(body);
    healthy(body.health === "OK", `healthy, ${Math.round(performance.now() - asked)} ms`);
  } catch (problem) {
    healthy(false, answer ? `answers ${answer.status}` : "does not answer");
  }
}

// Browsers have a clipboard for localhost and https alone.
at("copy").hidden = !navigator.clipboard;
at("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(at("setup").textContent);
  at("copy").textContent = "Copied";
});

for (const link of document.querySelectorAll('a[href^="./"]')) {
  link.setAttribute("href", link.getAttribute("href").replace("./", HOME));
}
at("session").hidden = !IN_AWS;
load();
