// Passkeys: the browser makes or uses one, and the form sends its answer.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = (each) => ({ ...each, id: bytes(each.id) });

const answered = (found, response) => ({ id: text(found.rawId), rawId: text(found.rawId), type: "public-key", response });

async function used(options) {
  const allowCredentials = options.allowCredentials.map(named);
  const found = await navigator.credentials.get({ publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials } });
  return answered(found, {
    clientDataJSON: text(found.response.clientDataJSON),
    authenticatorData: text(found.response.authenticatorData),
    signature: text(found.response.signature),
  });
}

async function made(options) {
  const excludeCredentials = (options.excludeCredentials ?? []).map(named);
  const user = named(options.user);
  const found = await navigator.credentials.create({ publicKey: { ...options, challenge: bytes(options.challenge), user, excludeCredentials } });
  return answered(found, {
    clientDataJSON: text(found.response.clientDataJSON),
    attestationObject: text(found.response.attestationObject),
  });
}

function words({ name }) {
  if (name === "InvalidStateError") return "This device has a passkey for your account already.";
  if (name === "NotAllowedError") return "Nothing was done: it was cancelled, or took too long. Try again.";
  return "This browser cannot use passkeys here.";
}

async function ceremony(form) {
  const said = form.querySelector("[role=alert][hidden], [role=alert].told");
  const options = JSON.parse(form.dataset.options);
  const [field, act] = form.dataset.passkey === "create" ? ["attestation", made] : ["assertion", used];
  try {
    form.elements[field].value = JSON.stringify(await act(options));
  } catch (error) {
    said.className = "bad-text told";
    said.hidden = false;
    said.textContent = words(error);
    return;
  }
  form.submit();
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ceremony(form);
  });
}
