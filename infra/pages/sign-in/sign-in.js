// Signs this browser in and out. All it is told is shown as text; the session is a cookie that it cannot read.
"use strict";

const at = (id) => document.getElementById(id);

function show(section, state, bad) {
  for (const name of ["invited", "signed-in", "signed-out"]) at(name).hidden = name !== section;
  at("state").textContent = state;
  at("state").dataset.state = bad ? "bad" : "";
}

async function post(action, body) {
  const answer = await fetch(`session/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    cache: "no-store",
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.message || `The server answers ${answer.status}.`);
  return said;
}

// The address that a script has: this page's, without the front. A page without a stage before it came from a
// distribution, which does not lead to the API: there the command takes MLFLOW_TRACKING_URI.
function command() {
  if (location.pathname === "/ui/sign-in") return "cairn ui";
  return `cairn ui --server ${new URL("..", location.href).href.replace(/\/$/, "")}`;
}

function signedOut(state, bad) {
  at("lines").textContent = command();
  show("signed-out", state, bad);
}

async function invited(code) {
  const said = await post("look", { code });
  at("account").textContent = said.account;
  at("principal").textContent = said.principal;
  at("permission").textContent = said.permission;
  at("until").textContent = new Date(said.expires).toLocaleString();
  show("invited", "Sign in?");
  at("sign-in").disabled = false;
  at("sign-in").onclick = async () => {
    at("sign-in").disabled = true;
    try {
      await post("open", { code });
      location.replace("index.html");
    } catch (problem) {
      signedOut(problem.message, true);
    }
  };
}

async function whoAmI() {
  const answer = await fetch("api/3.0/cairn/whoami", { cache: "no-store" });
  if (!answer.ok) return signedOut("You are not signed in.");
  const said = await answer.json();
  at("who").textContent = said.ceiling === "MANAGE" ? said.principal : `${said.principal} (${said.ceiling} at most)`;
  show("signed-in", "Signed in");
  at("sign-out").onclick = async () => {
    try {
      await post("close", {});
      signedOut("You are signed out.");
    } catch (problem) {
      show("signed-in", problem.message, true);
    }
  };
}

async function start() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  history.replaceState(null, "", location.pathname); // the code stays in no history
  try {
    await (code ? invited(code) : whoAmI());
  } catch (problem) {
    signedOut(problem.message, true);
  }
}

window.addEventListener("hashchange", start); // a code comes into a page that is open already
start();
