// The sandbox page: three seats of one desk, its clock, its tickets.
// Everything shown comes from /sandbox/api and is written with textContent: messages are untrusted.

const API = '/sandbox/api';
const ICON = '/sandbox/page/favicon.svg';
const DESK = '值守';
const POLL_MS = 30_000;
const GAP_MS = 5 * 60_000; // a time stands between two messages that are further apart than this
const LONG_LINES = 16; // a longer text is folded

// What the desk says, by kind: the label on the bubble and its tone.
const KINDS = {
  'answer': ['答复', 'calm'],
  'ask': ['询问', 'calm'],
  'help': ['帮助', 'plain'],
  'refusal': ['未执行', 'plain'],
  'status': ['状态', 'plain'],
  'ticket.opened': ['受理', 'brand'],
  'ticket.claimed': ['认领', 'good'],
  'ticket.assigned': ['转派', 'calm'],
  'ticket.progress': ['进展', 'calm'],
  'ticket.paused': ['挂起', 'plain'],
  'ticket.resumed': ['恢复', 'calm'],
  'ticket.severity': ['改级', 'warn'],
  'ticket.resolved': ['解决', 'good'],
  'ticket.closed': ['关闭', 'plain'],
  'ticket.reopened': ['重开', 'warn'],
  'ticket.linked': ['关联', 'calm'],
  'commitment.warning': ['提醒', 'warn'],
  'commitment.broken': ['超时', 'bad'],
  'escalation': ['升级', 'hot'],
  'customer.notice': ['通报', 'brand'],
  'survey': ['评价', 'calm'],
  'duty.due': ['任务', 'calm'],
  'duty.late': ['任务逾期', 'bad'],
  'report.ready': ['文档', 'calm'],
};

// What became of a person's message.
const DISPOSITIONS = {
  answered: '已答复',
  opened: '已建工单',
  appended: '已并入工单',
  commanded: '已执行',
  asked: '已反问',
  noted: '静默',
  refused: '未执行',
};

const OUTCOMES = { running: '计时中', paused: '暂停计时', met: '按时兑现', broken: '已超时', met_late: '逾期补上', cancelled: '已取消' };
const OPEN_STATES = new Set(['open', 'claimed', 'suspended', 'resolved']);

// What each seat is for, and what may be written there; `N` becomes the number of the ticket at hand.
const SEATS = {
  agency: {
    short: '机关群',
    about: '使用系统的人。照常说话，不用学命令。',
    empty: ['这是某机关的工作群', '您来扮演窗口的同事。说一句系统出了什么毛病，值守会自己建工单、报时限；闲聊和道谢它不插嘴。'],
    placeholder: '例如：登记系统打不开了',
    chips: ['登记系统打不开了，大厅群众都在等', '还没好吗', '可以了谢谢', '5分 处理及时'],
  },
  engineers: {
    short: '工程师群',
    about: '运维工程师在这里接单、报进展。',
    empty: ['这是运维工程师的群', '有人报修时，新工单会出现在这里，时限快到时这里先收到提醒。回复「认领 1」接单，也可以点消息下面的按钮。'],
    placeholder: '例如：进展 1 正在排查',
    chips: ['认领 N', '进展 N 正在排查数据库连接', '解决 N 重启应用服务后恢复'],
  },
  lead: {
    short: '负责人',
    about: '与值守的私聊：没人管的事升级到这里。',
    empty: ['这是陈经理的私聊', '平时很安静。没人接单、时限将破或已破时，值守才来打扰他。他回复「确认 1」表示已知悉。'],
    placeholder: '例如：待办',
    chips: ['确认 N', '待办', '谁会被通知 N'],
  },
};

const STEPS = [
  { id: 'report', name: '报修', hint: '在机关工作群说一句毛病', seat: 'agency', chip: 0 },
  { id: 'claim', name: '认领', hint: '在工程师群接下工单', seat: 'engineers', chip: 0 },
  { id: 'progress', name: '进展', hint: '说一句进度，看它回到原群', seat: 'engineers', chip: 1 },
  { id: 'clock', name: '拨快时钟', hint: '看提醒和升级自己到来', clock: true },
  { id: 'resolve', name: '解决', hint: '写下结果，请对方核实', seat: 'engineers', chip: 2 },
  { id: 'rate', name: '评价', hint: '确认修好了，打个分', seat: 'agency', chip: 2, next: 3 },
];

const desk = {
  clock: null,
  skewMs: 0, // desk's time minus this browser's
  zoneMin: 480, // offset of the desk's zone from UTC
  contract: null,
  messages: new Map(),
  pressed: new Set(), // buttons somebody pressed, by message and action
  arrivals: 0,
  tickets: [],
  fetchedAt: 0,
  cursor: null,
};
const seats = new Map();
let activeTab = 'agency';
let openStory = null;
let storyOpener = null;
let firstLoad = true;

const $ = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'class') node.className = value;
    else if (key === 'text') node.textContent = value;
    else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'data') Object.assign(node.dataset, value);
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// ---- time

const instant = (rfc3339) => Date.parse(rfc3339);
const deskNow = () => Date.now() + desk.skewMs;
const two = (n) => String(n).padStart(2, '0');

function zoneOf(rfc3339) {
  const found = /([+-])(\d\d):(\d\d)$/.exec(rfc3339);
  return found ? (found[1] === '-' ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3])) : 0;
}

// The wall clock of the desk's zone, whatever the browser's.
const wall = (ms) => new Date(ms + desk.zoneMin * 60_000);
const dayOf = (ms) => wall(ms).toISOString().slice(0, 10);
const clockText = (ms) => { const d = wall(ms); return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`; };
const dateText = (ms) => {
  const d = wall(ms);
  return `${d.getUTCMonth() + 1}月${d.getUTCDate()}日 周${'日一二三四五六'[d.getUTCDay()]}`;
};
// Short where it is today, with the date where not.
const whenText = (ms) => (dayOf(ms) === dayOf(deskNow()) ? clockText(ms) : `${wall(ms).getUTCMonth() + 1}月${wall(ms).getUTCDate()}日 ${clockText(ms)}`);

function spanText(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d > 0) return h > 0 ? `${d} 天 ${h} 小时` : `${d} 天`;
  if (h > 0) return `${h}:${two(m)}:${two(s % 60)}`;
  return `${two(m)}:${two(s % 60)}`;
}

function roughSpan(ms) {
  const min = Math.round(ms / 60_000);
  const d = Math.floor(min / 1440), h = Math.floor(min / 60) % 24, m = min % 60;
  return [d && `${d} 天`, h && `${h} 小时`, m && d === 0 && `${m} 分`].filter(Boolean).join(' ') || '不到 1 分';
}

// ---- talking to the desk

async function call(path, body) {
  const options = body === undefined
    ? { headers: { Accept: 'application/json' }, cache: 'no-store' }
    : { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Zhishou': 'sandbox' }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(API + path, { credentials: 'same-origin', ...options });
  } catch {
    throw Object.assign(new Error('没有送出去：与值守的连接断了，正在重连。'), { offline: true });
  }
  const text = response.status === 204 ? '' : await response.text();
  let answer = null;
  try { answer = text ? JSON.parse(text) : null; } catch { /* said below by the status */ }
  if (!response.ok) {
    const error = new Error(answer?.error ?? `值守没有接受（HTTP ${response.status}）。`);
    throw Object.assign(error, { status: response.status, offline: response.status >= 502 });
  }
  return answer;
}

let loading = null;
let again = null;

// Fetches what is new; one at a time, and once more if something changed meanwhile.
function refresh(whole = false) {
  if (loading) {
    again = { whole: whole || again?.whole === true };
    return loading;
  }
  loading = load(whole).finally(() => {
    loading = null;
    if (again) { const { whole: all } = again; again = null; refresh(all); }
  });
  return loading;
}

async function load(whole) {
  const after = whole || desk.cursor === null ? '' : `?after=${encodeURIComponent(desk.cursor)}`;
  try {
    take(await call(`/state${after}`), after === '');
    link.waitMs = 1000;
    if (link.up !== false) hideOffline();
  } catch (error) {
    showOffline(error.offline ? null : error.message);
    link.retry();
  }
}

// The live line: says only that something changed; what changed is fetched.
const link = {
  source: null, up: null, timer: 0, waitMs: 1000,
  open() {
    this.source?.close();
    this.source = new EventSource(`${API}/events`);
    this.source.addEventListener('open', () => {
      const back = this.up === false;
      this.up = true;
      this.waitMs = 1000;
      hideOffline();
      if (back) refresh(true); // the desk may have started afresh
    });
    this.source.addEventListener('change', (event) => { if (event.data !== desk.cursor) refresh(); });
    this.source.addEventListener('error', () => {
      this.up = false;
      showOffline(null);
      if (this.source.readyState === EventSource.CLOSED) this.retry();
    });
  },
  retry() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.waitMs = Math.min(this.waitMs * 2, 10_000);
      if (this.up !== true) this.open();
      refresh(true);
    }, this.waitMs);
  },
};

function showOffline(reason) {
  $('offline').hidden = false;
  setText($('offline'), reason ?? '与值守的连接断了，正在自动重连…已写下的内容不会丢。');
}
const hideOffline = () => { $('offline').hidden = true; };

// ---- what came

function take(answer, whole) {
  desk.clock = answer.clock;
  desk.skewMs = instant(answer.clock.now) - Date.now();
  desk.zoneMin = zoneOf(answer.clock.now);
  desk.contract = answer.contract ?? desk.contract;
  desk.tickets = answer.tickets ?? desk.tickets;
  desk.cursor = answer.cursor ?? desk.cursor;
  desk.fetchedAt = deskNow();
  const fresh = new Set();
  if (whole) {
    const known = new Set((answer.messages ?? []).map((m) => m.id));
    for (const id of [...desk.messages.keys()]) if (!known.has(id)) desk.messages.delete(id);
  }
  for (const message of answer.messages ?? []) {
    const before = desk.messages.get(message.id);
    if (!before) fresh.add(message.id);
    desk.messages.set(message.id, { ...before, ...message, order: before?.order ?? desk.arrivals++ });
  }
  desk.pressed = new Set([...desk.messages.values()].filter((m) => m.press).map((m) => `${m.press.on} ${m.press.action}`));
  if (answer.seats) for (const seat of answer.seats) seatOf(seat);
  if (firstLoad) { fresh.clear(); firstLoad = false; selectTab(activeTab); }
  showClock();
  showContract();
  showSeats(fresh);
  showTickets();
  showGuide();
  if (openStory !== null) loadStory(openStory);
}

const accountOf = (conversation) => { const at = conversation.indexOf(':user:'); return at < 0 ? null : conversation.slice(at + 6); };

// The seat where a message is shown: its own conversation's; a private notice stands with its person's colleagues.
function placeOf(message) {
  for (const seat of seats.values()) if (seat.conversation === message.conversation) return { seat };
  const account = accountOf(message.conversation);
  for (const seat of seats.values()) {
    const person = account && seat.people.find((p) => p.account === account);
    if (person) return { seat, to: { account, name: message.person ?? person.name } };
  }
  const to = { account, name: message.person ?? account ?? message.conversation };
  const engineers = message.kind?.startsWith('commitment.') || message.kind?.startsWith('duty.');
  return { seat: seats.get(message.seat) ?? seats.get(engineers ? 'engineers' : 'lead') ?? [...seats.values()][0], to };
}

// ---- seats

function seatOf(given) {
  const known = seats.get(given.id);
  if (known) {
    known.conversation = given.conversation;
    setText(known.title, given.title);
    if (JSON.stringify(known.people) !== JSON.stringify(given.people)) { known.people = given.people; showSpeakers(known); }
    return;
  }
  const words = SEATS[given.id] ?? { short: given.title, about: '', empty: ['还没有消息', ''], placeholder: '写一条消息', chips: [] };
  const seat = {
    id: given.id, words, conversation: given.conversation, people: given.people, speaker: given.people[0],
    nodes: new Map(), quote: null, unread: 0, missed: 0, stuck: true,
  };
  seat.title = el('h2', { id: `title-${seat.id}`, text: given.title });
  seat.log = el('div', { class: 'log', role: 'log', 'aria-live': 'polite', 'aria-labelledby': `title-${seat.id}`, tabindex: '0' });
  seat.empty = el('div', { class: 'empty' },
    el('span', { class: `seat-mark mark-${seat.id}`, 'aria-hidden': 'true' }),
    seat.id === 'agency' && el('p', { class: 'narrow-only', text: `值守：${document.querySelector('.pitch').textContent}` }),
    el('strong', { text: words.empty[0] }), el('p', { text: words.empty[1] }));
  seat.log.append(seat.empty);
  seat.jump = el('button', { type: 'button', class: 'jump', hidden: true, onclick: () => { seat.stuck = true; toEnd(seat); } });
  seat.chipNodes = [];
  seat.chips = el('div', { class: 'chips', role: 'group', 'aria-label': '现成的说法，点一下就发送' }, el('span', { class: 'tiny', 'aria-hidden': 'true', text: '试试' }));
  seat.speakers = el('div', { class: 'speakers', role: 'radiogroup', 'aria-label': '以谁的身份说' });
  seat.quoted = el('div', { class: 'quoting', hidden: true });
  seat.input = el('textarea', { rows: '1', maxlength: '4000', placeholder: words.placeholder, 'aria-label': `在${given.title}里说话`, enterkeyhint: 'send', autocomplete: 'off' });
  seat.send = el('button', { type: 'submit', class: 'send', text: '发送' });
  const form = el('form', { class: 'composer', onsubmit: (event) => { event.preventDefault(); submit(seat); } },
    seat.chips, seat.quoted, el('div', { class: 'speak-row' }, seat.speakers),
    el('div', { class: 'write-row' }, seat.input, seat.send));
  seat.root = el('section', { class: `seat seat-${seat.id}`, id: `seat-${seat.id}`, 'aria-labelledby': `title-${seat.id}` },
    el('header', { class: 'seat-head' }, el('span', { class: `seat-mark mark-${seat.id}`, 'aria-hidden': 'true' }),
      el('div', {}, seat.title, el('p', { text: words.about }))),
    el('div', { class: 'log-box' }, seat.log, seat.jump), form);
  seat.input.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && seat.quote) { quote(seat, null); return; }
    // While an input method is composing, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit(seat);
  });
  seat.input.addEventListener('input', () => grow(seat.input));
  let height = 0, width = 0;
  seat.log.addEventListener('scroll', () => {
    const { clientHeight, clientWidth } = seat.log;
    // A box that changed its size scrolls by itself; that says nothing about the reader.
    if (clientHeight !== height || clientWidth !== width) { height = clientHeight; width = clientWidth; return; }
    seat.stuck = seat.log.scrollHeight - seat.log.scrollTop - seat.log.clientHeight < 48;
    if (seat.stuck) { seat.missed = 0; seat.jump.hidden = true; }
  }, { passive: true });
  // A log that showed its end goes on showing it when its box changes.
  new ResizeObserver(() => { if (seat.stuck) toEnd(seat); }).observe(seat.log);
  seats.set(seat.id, seat);
  $('seats').insertBefore(seat.root, $('board'));
  showSpeakers(seat);
  tabFor(seat.id, words.short);
}

function showSpeakers(seat) {
  if (!seat.people.some((p) => p.account === seat.speaker?.account)) [seat.speaker] = seat.people;
  const label = el('span', { class: 'tiny', text: seat.people.length > 1 ? '您现在是' : '您是' });
  const choices = seat.people.map((person) => {
    const radio = el('input', {
      type: 'radio', name: `speaker-${seat.id}`, value: person.account, checked: person.account === seat.speaker.account,
      onchange: () => { seat.speaker = person; },
    });
    return el('label', { class: 'speaker' }, radio, el('span', { text: person.name }));
  });
  seat.speakers.replaceChildren(label, ...choices);
}

function grow(input) {
  input.style.height = '';
  if (input.value === '' || input.scrollHeight <= input.clientHeight + 2) return;
  input.style.height = `${Math.min(input.scrollHeight + 2, 120)}px`;
}

// The number a suggestion speaks of: the newest ticket that still waits for it.
function numberFor(seat, chip) {
  const newest = (fits) => desk.tickets.filter(fits).reduce((n, t) => Math.max(n, t.number), 0);
  const wanted = chip.startsWith('认领') ? (t) => t.state === 'open'
    : chip.startsWith('解决') || chip.startsWith('进展') ? (t) => ['claimed', 'suspended', 'open'].includes(t.state)
      : (t) => OPEN_STATES.has(t.state);
  return newest(wanted) || newest(() => true) || 1;
}

function showChips(seat) {
  const texts = seat.words.chips.map((chip) => chip.replace('N', String(numberFor(seat, chip))));
  texts.forEach((text, i) => {
    let chip = seat.chipNodes[i];
    if (!chip) {
      chip = el('button', { type: 'button', class: 'chip', title: '点一下就发送' });
      chip.addEventListener('click', () => say(seat, chip.dataset.text, chip));
      seat.chipNodes.push(chip);
      seat.chips.append(chip);
    }
    chip.dataset.text = text;
    setText(chip, text);
  });
}

async function submit(seat) {
  const text = seat.input.value.trim();
  if (!text) { seat.input.focus(); return; }
  if (await say(seat, text, seat.send)) { seat.input.value = ''; grow(seat.input); }
}

// Sends one message; true when the desk took it.
async function say(seat, text, button) {
  if (button.disabled) return false;
  const speaker = seat.quote?.speaker ?? seat.speaker;
  const body = { conversation: seat.quote?.conversation ?? seat.conversation, account: speaker.account, name: speaker.name, text };
  if (seat.quote) body.quotes = seat.quote.id;
  button.disabled = true;
  try {
    await call('/say', body);
    quote(seat, null);
    seat.stuck = true;
    flash(null);
    await refresh();
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  } finally {
    button.disabled = false;
  }
}

function quote(seat, message) {
  seat.quote = null;
  if (message) {
    // A reply to a private notice goes back the private way, as the person it was sent to.
    const { to } = placeOf(message);
    seat.quote = { id: message.id, conversation: message.conversation, speaker: to && to.account ? to : null };
    const from = message.from.desk ? DESK : message.from.name;
    const way = seat.quote.speaker ? `（以${to.name}的身份私下回复）` : '';
    seat.quoted.replaceChildren(
      el('span', { class: 'quoting-text', text: `引用 ${from}${way}：${message.text}` }),
      el('button', { type: 'button', class: 'icon-button', 'aria-label': '取消引用', text: '✕', onclick: () => { quote(seat, null); seat.input.focus(); } }));
    seat.input.focus();
  }
  seat.quoted.hidden = seat.quote === null;
}

async function press(seat, message, action, button) {
  const { to } = placeOf(message);
  const who = to && to.account ? to : seat.speaker;
  button.disabled = true;
  try {
    await call('/press', { conversation: message.conversation, account: who.account, name: who.name, message: message.id, action: action.id });
    seat.stuck = true;
    await refresh();
  } catch (error) {
    toast(error.message);
  } finally {
    button.disabled = false;
  }
}

// ---- the log of one seat

function showSeats(fresh) {
  const lists = new Map([...seats.values()].map((seat) => [seat, []]));
  const sorted = [...desk.messages.values()].sort((a, b) => instant(a.at) - instant(b.at) || a.order - b.order);
  for (const message of sorted) {
    const place = placeOf(message);
    lists.get(place.seat)?.push({ message, to: place.to });
  }
  for (const [seat, list] of lists) showLog(seat, list, fresh);
  showTabs();
}

function showLog(seat, list, fresh) {
  const wanted = [];
  let last = null;
  for (const { message, to } of list) {
    const at = instant(message.at);
    if (last === null || at - last > GAP_MS || dayOf(at) !== dayOf(last)) wanted.push(divider(seat, message.id, at, last));
    wanted.push(bubble(seat, message, to, fresh.has(message.id)));
    last = at;
  }
  seat.empty.hidden = wanted.length > 0;
  // Nodes stay where they are; only what is new or moved is put in.
  let cursor = seat.empty.nextSibling;
  for (const node of wanted) {
    if (node === cursor) cursor = cursor.nextSibling;
    else seat.log.insertBefore(node, cursor);
  }
  while (cursor) { const next = cursor.nextSibling; cursor.remove(); cursor = next; }

  const came = list.filter(({ message }) => fresh.has(message.id) && message.from.desk).length;
  if (seat.stuck || seat.log.scrollHeight <= seat.log.clientHeight + 48) { seat.stuck = true; toEnd(seat); } else if (came > 0) {
    seat.missed += came;
    seat.jump.hidden = false;
    setText(seat.jump, `↓ ${seat.missed} 条新消息`);
  }
  if (came > 0 && tabbed() && activeTab !== seat.id) seat.unread += came;
  showChips(seat);
}

function toEnd(seat) {
  seat.log.scrollTop = seat.log.scrollHeight;
  seat.missed = 0;
  seat.jump.hidden = true;
}

function divider(seat, id, at, last) {
  const key = `time-${id}`;
  let node = seat.nodes.get(key);
  if (!node) { node = el('div', { class: 'divider' }); seat.nodes.set(key, node); }
  setText(node, last === null || dayOf(at) !== dayOf(last) ? `${dateText(at)} ${clockText(at)}` : clockText(at));
  return node;
}

// One colour a person, in order of appearance.
const hues = new Map();
const hue = (account) => { if (!hues.has(account)) hues.set(account, hues.size % 6); return hues.get(account); };

function face(from) {
  if (from.desk) return el('img', { class: 'face', src: ICON, width: '30', height: '30', alt: '' });
  return el('span', { class: `face face-${hue(from.account)}`, 'aria-hidden': 'true', text: [...from.name][0] ?? '？' });
}

function bubble(seat, message, to, fresh) {
  let parts = seat.nodes.get(message.id);
  const print = `${message.at} ${message.text}`; // a desk that started afresh counts its messages from one again
  if (parts?.print !== print) {
    parts = { ...build(seat, message, to), print };
    seat.nodes.set(message.id, parts);
    if (fresh) parts.root.classList.add('fresh');
  }
  showTag(parts.tag, message);
  const actions = JSON.stringify(message.actions ?? []);
  if (parts.actionsShown !== actions) {
    parts.actionsShown = actions;
    parts.actions.replaceChildren(...(message.actions ?? []).map((action) => {
      const button = el('button', { type: 'button', class: 'action', text: action.label, data: { press: `${message.id} ${action.id}` }, title: to?.account ? `以${to.name}的身份` : undefined });
      button.addEventListener('click', () => press(seat, message, action, button));
      return button;
    }));
    parts.actions.hidden = parts.actions.childElementCount === 0;
  }
  for (const button of parts.actions.children) button.classList.toggle('pressed', desk.pressed.has(button.dataset.press));
  return parts.root;
}

function build(seat, message, to) {
  const { from } = message;
  const [kind, tone] = KINDS[message.kind] ?? (message.kind ? [message.kind, 'plain'] : [null, 'plain']);
  const tag = el('div', { class: 'became', hidden: true });
  const actions = el('div', { class: 'actions', hidden: true });
  const meta = el('div', { class: 'meta' },
    el('span', { class: 'name', text: from.desk ? DESK : from.name }),
    from.desk && !to && el('span', { class: 'bot', text: '机器人' }),
    kind && from.desk && el('span', { class: `kind tone-${tone}`, text: kind }),
    to && el('span', { class: 'private', text: from.desk ? `私信 → ${to.name}` : '私信值守' }),
    el('time', { class: 'at', datetime: message.at, title: `${dateText(instant(message.at))} ${clockText(instant(message.at))}`, text: clockText(instant(message.at)) }));
  const reply = el('button', { type: 'button', class: 'quote-button', text: '引用', 'aria-label': `引用${from.desk ? DESK : from.name}的这条消息`, onclick: () => quote(seat, message) });
  const foot = el('div', { class: 'foot' },
    from.desk && message.ticket && el('button', { type: 'button', class: 'ticket-link', text: `工单 #${message.ticket}`, title: '看这张工单的来龙去脉', onclick: (event) => showStory(message.ticket, event.currentTarget) }),
    tag, reply);
  const body = el('div', { class: `bubble${from.desk ? ` edge-${tone}` : ''}` },
    message.quotes && el('blockquote', { class: 'quoted', text: message.quotes.text }),
    words(message.text, from.desk), actions);
  const root = el('article', { class: `row ${from.desk ? 'from-desk' : 'from-person'}${to ? ' is-private' : ''}` },
    face(from), el('div', { class: 'said' }, meta, body, foot));
  root.addEventListener('animationend', () => root.classList.remove('fresh'));
  return { root, tag, actions, actionsShown: '[]' };
}

// The text of a message: the desk's first line stands out where more follow; a very long one is folded.
function words(text, fromDesk) {
  const lines = text.replace(/\s+$/, '').split('\n');
  const headed = fromDesk && lines.length > 1 && lines[0].length < 60;
  const box = el('div', { class: 'words' });
  if (headed) box.append(el('strong', { class: 'first-line', text: lines.shift() }));
  if (lines.length <= LONG_LINES) {
    if (lines.length) box.append(el('span', { text: lines.join('\n') }));
    return box;
  }
  const rest = el('span', { text: lines.slice(0, LONG_LINES - 4).join('\n') });
  const more = el('button', { type: 'button', class: 'more', text: `展开余下 ${lines.length - LONG_LINES + 4} 行` });
  more.addEventListener('click', () => { rest.textContent = lines.join('\n'); more.remove(); });
  box.append(rest, more);
  return box;
}

function showTag(tag, message) {
  if (message.from.desk) return;
  tag.hidden = false;
  if (!message.in) {
    setText(tag, '处理中…');
    return;
  }
  const { disposition, why } = message.in;
  let text = DISPOSITIONS[disposition] ?? disposition;
  if (message.ticket && (disposition === 'opened' || disposition === 'appended')) text += ` #${message.ticket}`;
  if (disposition === 'noted' && why) text += `：${why.length > 14 ? `${why.slice(0, 14)}…` : why}`;
  setText(tag, text);
  tag.title = why ?? '';
  tag.className = `became became-${disposition}`;
}

// ---- clock

function showClock() {
  const { clock } = desk;
  if (!clock) return;
  $('clock-moves').hidden = !clock.movable;
  $('clock-fixed').hidden = clock.movable;
  if (!clock.movable) setText($('clock-fixed'), clock.why ?? '时钟按真实时间走，不能拨动：只有沙盒是唯一渠道、且控制台只在本机监听时，才能拨快。');
  const next = clock.movable && clock.next ? instant(clock.next) : null;
  $('to-next').disabled = next === null;
  $('to-next').title = next === null ? '现在没有在等的提醒：先报修，有承诺在计时，这里就能用' : `拨到 ${dateText(next)} ${clockText(next)}`;
  setText($('to-next-at'), next === null ? '暂无' : whenText(next));
  tick();
}

function tick() {
  if (!desk.clock) return;
  const now = deskNow();
  const d = wall(now);
  setText($('clock-time'), `${clockText(now)}:${two(d.getUTCSeconds())}`);
  setText($('clock-date'), `${d.getUTCFullYear()}年${dateText(now)}`);
  const ahead = desk.skewMs;
  setText($('clock-shift'), desk.clock.movable && ahead > 60_000 ? `已拨快 ${roughSpan(ahead)}` : '');
  for (const bar of document.querySelectorAll('.promise[data-due]')) showBar(bar);
}

async function move(body, button) {
  button.disabled = true;
  try {
    const answer = await call('/clock', body);
    if (answer?.now) { desk.skewMs = instant(answer.now) - Date.now(); tick(); }
    flash(null);
    $('clock-time').classList.remove('jumped');
    void $('clock-time').offsetWidth;
    $('clock-time').classList.add('jumped');
    await refresh();
  } catch (error) {
    toast(error.message);
  } finally {
    button.disabled = false;
    showClock();
  }
}

function showContract() {
  if (!desk.contract) return;
  setText($('contract'), desk.contract.name);
  $('contract').title = `${desk.contract.name}（${desk.contract.id}）`;
}

// ---- tickets and promises

function promise(commitment) {
  const { outcome } = commitment;
  const running = outcome === 'running' || outcome === 'broken';
  const node = el('div', {
    class: `promise outcome-${outcome}`,
    data: running && commitment.due_at
      ? { due: instant(commitment.due_at), percent: commitment.percent ?? 0, fetched: desk.fetchedAt, outcome }
      : {},
  },
  el('span', { class: 'promise-name', text: commitment.name_zh }),
  el('span', { class: 'promise-left', text: outcome === 'running' && !commitment.due_at ? '不限时' : commitment.outcome_zh ?? OUTCOMES[outcome] ?? outcome }),
  el('div', { class: 'bar', 'aria-hidden': 'true' }, el('div', { class: 'fill' })),
  commitment.due_at && el('span', { class: 'promise-due', text: `${whenText(instant(commitment.due_at))} 前` }));
  if (node.dataset.due) showBar(node);
  else if (outcome === 'paused') node.querySelector('.fill').style.width = `${Math.min(100, commitment.percent ?? 0)}%`;
  return node;
}

// Between two fetches the bar goes on by itself: straight from the share the desk gave to full at the due time.
function showBar(node) {
  const due = Number(node.dataset.due), from = Number(node.dataset.fetched), given = Number(node.dataset.percent);
  const now = deskNow();
  const broken = node.dataset.outcome === 'broken' || now > due;
  const share = broken ? 100 : Math.min(100, given + (100 - given) * Math.max(0, (now - from) / Math.max(1, due - from)));
  const tone = broken ? 'broken' : share >= 80 ? 'late' : share >= 50 ? 'half' : 'calm';
  if (node.dataset.tone !== tone) node.dataset.tone = tone;
  node.querySelector('.fill').style.width = `${share}%`;
  setText(node.querySelector('.promise-left'), broken ? `已超时 ${spanText(now - due)}` : `剩 ${spanText(due - now)}`);
}

// Promises that are over, those of one name and outcome together.
function overLine(commitments) {
  const counts = new Map();
  for (const c of commitments) {
    if (!['met', 'met_late', 'cancelled'].includes(c.outcome)) continue;
    const key = `${c.outcome}|${c.name_zh}`;
    const entry = counts.get(key) ?? { c, n: 0 };
    entry.n += 1;
    counts.set(key, entry);
  }
  if (counts.size === 0) return null;
  return el('div', { class: 'over' }, ...[...counts.values()].map(({ c, n }) => el('span', {
    class: `over-item over-${c.outcome}`,
    text: `${c.outcome === 'met' ? '✓' : c.outcome === 'met_late' ? '△' : '–'} ${c.name_zh}${n > 1 ? ` ×${n}` : ''}`,
    title: `${c.name_zh}：${c.outcome_zh ?? OUTCOMES[c.outcome]}${n > 1 ? `，${n} 次` : ''}`,
  })));
}

const live = (ticket) => ticket.commitments.filter((c) => ['running', 'paused', 'broken'].includes(c.outcome))
  .sort((a, b) => (a.due_at ? instant(a.due_at) : Infinity) - (b.due_at ? instant(b.due_at) : Infinity));

function ticketHead(ticket) {
  return el('div', { class: 'ticket-top' },
    el('span', { class: 'ticket-number', text: `#${ticket.number}` }),
    el('span', { class: `state state-${ticket.state}`, text: ticket.state_zh }),
    ticket.severity && el('span', { class: 'severity', text: ticket.severity }));
}

function showTickets() {
  const open = desk.tickets.filter((t) => OPEN_STATES.has(t.state));
  const list = [...desk.tickets].sort((a, b) => OPEN_STATES.has(b.state) - OPEN_STATES.has(a.state) || b.number - a.number);
  setText($('board-count'), list.length ? `${open.length} 张在办，共 ${list.length} 张` : '');
  const box = $('tickets');
  if (list.length === 0) {
    box.replaceChildren(el('div', { class: 'empty' },
      el('strong', { text: '还没有工单' }),
      el('p', { text: '机关群里有人报修，工单就出现在这里。合同里的每条承诺各有一根倒计时：先绿后黄，快到期变橙，破了变红。' })));
    return;
  }
  const focused = document.activeElement?.closest?.('.ticket')?.dataset.number;
  const top = box.scrollTop;
  box.replaceChildren(...list.map((ticket) => el('button', {
    type: 'button', class: `ticket${OPEN_STATES.has(ticket.state) ? '' : ' is-over'}`, data: { number: ticket.number },
    title: '看这张工单的来龙去脉', onclick: (event) => showStory(ticket.number, event.currentTarget),
  },
  ticketHead(ticket),
  el('span', { class: 'ticket-summary', text: ticket.summary }),
  el('span', { class: 'ticket-who' },
    el('span', { text: `${ticket.requester ?? '—'} → ` }),
    ticket.engineer ? el('b', { text: ticket.engineer }) : el('em', { text: '还没人认领' })),
  ...live(ticket).map(promise), overLine(ticket.commitments))));
  box.scrollTop = top;
  if (focused) box.querySelector(`.ticket[data-number="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// ---- the story of one ticket

function showStory(number, opener) {
  openStory = number;
  storyOpener = opener ?? null;
  selectTab('board');
  $('seats').classList.add('with-story');
  $('board-list').hidden = true;
  const box = $('story');
  box.hidden = false;
  box.replaceChildren(storyHead(number, null), el('p', { class: 'loading', text: '正在取工单的来龙去脉…' }));
  box.querySelector('h2').focus();
  loadStory(number);
}

function closeStory() {
  const number = openStory;
  openStory = null;
  $('story').hidden = true;
  $('story').replaceChildren();
  $('board-list').hidden = false;
  $('seats').classList.remove('with-story');
  const card = document.querySelector(`.ticket[data-number="${CSS.escape(String(number))}"]`);
  (storyOpener?.isConnected ? storyOpener : card)?.focus();
}

const storyHead = (number, ticket) => el('div', { class: 'story-head' },
  el('button', { type: 'button', class: 'ghost', text: '← 全部工单', onclick: closeStory }),
  el('h2', { id: 'story-title', tabindex: '-1', text: ticket ? `工单 #${number} 的来龙去脉` : `工单 #${number}` }));

async function loadStory(number) {
  let answer;
  try {
    answer = await call(`/ticket/${encodeURIComponent(number)}`);
  } catch (error) {
    if (openStory === number) $('story').replaceChildren(storyHead(number, null), el('p', { class: 'loading', text: error.message }));
    return;
  }
  if (openStory !== number) return;
  const { ticket } = answer;
  const box = $('story');
  const kept = box.querySelector('.story-body')?.scrollTop ?? 0;
  const folds = new Set([...box.querySelectorAll('details[open]')].map((d) => d.dataset.key));
  const had = box.querySelector('.story-body') !== null;
  const focusOnTitle = document.activeElement?.id === 'story-title';
  const body = el('div', { class: 'story-body', tabindex: '0' },
    ticketHead(ticket),
    el('p', { class: 'story-summary', text: ticket.summary }),
    el('p', { class: 'ticket-who', text: `${ticket.requester ?? '—'} 提出，${whenText(instant(ticket.opened_at))}；${ticket.engineer ? `${ticket.engineer} 处理` : '还没人认领'}` }),
    el('h3', { text: '承诺与时限是怎么算的' }), promises(answer, had ? folds : null),
    el('h3', { text: '经过' }), timeline(answer));
  box.replaceChildren(storyHead(number, ticket), body);
  for (const fold of body.querySelectorAll('.timeline details')) fold.open = folds.has(fold.dataset.key);
  body.scrollTop = kept;
  if (focusOnTitle) box.querySelector('h2').focus();
}

function promises({ ticket, explain }, folds) {
  const box = el('div', { class: 'explained' });
  const told = new Map((explain ?? []).map((e) => [e.name_zh, e.lines]));
  const open = live(ticket);
  const first = open.find((c) => told.get(c.name_zh)?.length);
  for (const commitment of open) {
    box.append(promise(commitment));
    const lines = told.get(commitment.name_zh);
    if (lines?.length) {
      told.delete(commitment.name_zh);
      box.append(why(commitment.name_zh, '为什么是这个时间', lines, folds ? folds.has(commitment.name_zh) : commitment === first));
    }
  }
  const over = overLine(ticket.commitments);
  if (over) box.append(over);
  for (const [name, lines] of told) if (lines?.length) box.append(why(name, `${name}：当时怎么算的`, lines, folds?.has(name) ?? false));
  if (!box.childElementCount) box.append(el('p', { class: 'loading', text: '这张工单没有在计时的承诺。' }));
  return box;
}

const why = (key, title, lines, open) => el('details', { class: 'why', open, data: { key } },
  el('summary', { text: title }), el('ul', {}, ...lines.map((line) => el('li', { text: line }))));

const kindText = (entry) => entry.kind_zh ?? KINDS[entry.kind]?.[0] ?? entry.kind;

// What happened and what was said because of it, in one line of time.
function timeline({ events, said }) {
  const entries = (events ?? []).map((event) => ({ at: instant(event.at), event }));
  const groups = [];
  for (const message of [...(said ?? [])].sort((a, b) => instant(a.at) - instant(b.at))) {
    const at = instant(message.at), last = groups.at(-1);
    // What went out together stands together, so that the events keep the eye.
    if (last && at - last.at < 10_000 && !entries.some((e) => e.at > last.at && e.at < at)) last.messages.push(message);
    else groups.push({ at, messages: [message] });
  }
  entries.push(...groups);
  entries.sort((a, b) => a.at - b.at || (a.messages ? 1 : 0) - (b.messages ? 1 : 0));
  if (entries.length === 0) return el('p', { class: 'loading', text: '还没有记录。' });
  return el('ol', { class: 'timeline' }, ...entries.map((entry) => (entry.event ? happened(entry.event) : letters(entry))));
}

function happened(event) {
  // What the clock does is nobody's deed, whoever set it going.
  const clockwork = /^(commitment\.|escalated$)/.test(event.kind);
  const tone = event.kind === 'commitment.broken' ? ' event-bad' : clockwork ? ' event-clock' : '';
  return el('li', { class: `event${tone}` },
    el('time', { datetime: event.at, text: whenText(instant(event.at)) }),
    el('div', {}, el('b', { text: kindText(event) }), event.by && !clockwork && el('span', { class: 'by', text: event.by }), event.text && wordsOf(event)));
}

// What was cut off a letter is there for whoever wants it, and in nobody's way.
function wordsOf(event) {
  if (event.kind !== 'cut_off') return el('p', { text: event.text });
  return el('details', { data: { key: `cut-${event.seq}` } }, el('summary', { text: '展开' }), el('p', { text: event.text }));
}

function letters({ at, messages }) {
  const names = [...new Set(messages.map((m) => m.to))].join('、');
  return el('li', { class: 'event event-said' },
    el('time', { datetime: messages[0].at, text: whenText(at) }),
    el('details', { data: { key: `said-${at}` } },
      el('summary', { text: `告知 ${names}` }),
      ...messages.map((m) => el('div', { class: 'letter' },
        el('div', { class: 'letter-head' }, el('span', { text: `${m.to} · ${kindText(m)}` }), m.state_zh && el('span', { text: m.state_zh })),
        el('p', { text: m.text })))));
}

// ---- guide

const stored = {
  get: (key) => { try { return localStorage.getItem(`zhishou.sandbox.${key}`); } catch { return null; } },
  set: (key, value) => { try { localStorage.setItem(`zhishou.sandbox.${key}`, value); } catch { /* private window: not remembered */ } },
};

// What has been done is read off the record itself, so a reload or a second window agrees.
function done() {
  const messages = [...desk.messages.values()];
  const said = (kind) => messages.some((m) => m.kind === kind);
  const state = (...states) => desk.tickets.some((t) => states.includes(t.state));
  return {
    report: desk.tickets.length > 0 || said('ticket.opened'),
    claim: said('ticket.claimed') || desk.tickets.some((t) => t.engineer),
    progress: said('ticket.progress'),
    clock: said('commitment.warning') || said('commitment.broken'), // only time brings these; a grave fault escalates at once
    resolve: said('ticket.resolved') || state('resolved', 'closed'),
    rate: messages.some((m) => !m.from.desk && ['commanded', 'appended'].includes(m.in?.disposition) && /(^|[^\d])[1-5１-５]\s*分|^评价/.test(m.text)),
  };
}

function showGuide() {
  const shown = stored.get('guide') !== 'closed';
  $('guide').hidden = !shown;
  $('guide-open').hidden = shown;
  if (!shown) return;
  const finished = done();
  const steps = STEPS.filter((step) => !step.clock || desk.clock?.movable);
  const current = steps.find((step) => !finished[step.id]);
  setText($('guide-count'), current ? `${steps.filter((s) => finished[s.id]).length} / ${steps.length}` : '全部走完');
  $('guide').classList.toggle('all-done', !current);
  $('guide-steps').replaceChildren(...steps.map((step, i) => {
    const state = finished[step.id] ? 'done' : step === current ? 'current' : 'todo';
    return el('li', { class: `step step-${state}`, 'aria-current': state === 'current' ? 'step' : undefined },
      el('button', { type: 'button', title: `带我去：${step.name}`, onclick: () => lead(step) },
        el('span', { class: 'step-mark', 'aria-hidden': 'true', text: state === 'done' ? '✓' : String(i + 1) }),
        el('span', { class: 'step-words' }, el('b', { text: step.name }), el('span', { class: 'step-hint', text: step.hint })),
        state === 'done' && el('span', { class: 'sr', text: '已完成' })));
  }));
}

// Takes the visitor to where a step is done and lights it up.
function lead(step) {
  if (step.clock) { flash($('clock-moves')); $('to-next').disabled || $('to-next').focus(); return; }
  const seat = seats.get(step.seat);
  if (!seat) return;
  selectTab(step.seat);
  const confirmed = step.next && desk.tickets.some((t) => t.state === 'closed');
  const chip = seat.chipNodes[confirmed ? step.next : step.chip];
  flash(chip);
  chip?.focus();
  chip?.scrollIntoView({ block: 'nearest', inline: 'center' });
}

function flash(node) {
  for (const lit of document.querySelectorAll('.lit')) lit.classList.remove('lit');
  node?.classList.add('lit');
}

// ---- tabs, on narrow screens

const narrow = matchMedia('(max-width: 899px)');
const tabbed = () => narrow.matches;

function tabFor(id, name) {
  const tab = el('button', { type: 'button', role: 'tab', class: 'tab', id: `tab-${id}`, 'aria-controls': id === 'board' ? 'board' : `seat-${id}`, data: { tab: id } },
    el('span', { text: name }), el('span', { class: 'badge', hidden: true }));
  tab.addEventListener('click', () => selectTab(id));
  tab.addEventListener('keydown', (event) => {
    const all = [...$('tabs').children];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = all[(all.indexOf(tab) + step + all.length) % all.length];
    selectTab(next.dataset.tab);
    next.focus();
  });
  $('tabs').insertBefore(tab, id === 'board' ? null : $('tab-board'));
}

function selectTab(id) {
  activeTab = id;
  for (const part of $('seats').children) part.classList.toggle('shown', part.id === (id === 'board' ? 'board' : `seat-${id}`));
  const seat = seats.get(id);
  if (seat) { seat.unread = 0; if (seat.stuck) toEnd(seat); }
  showTabs();
}

function showTabs() {
  for (const tab of $('tabs').children) {
    const { tab: id } = tab.dataset;
    tab.setAttribute('aria-selected', String(id === activeTab));
    tab.tabIndex = id === activeTab ? 0 : -1;
    const badge = tab.lastElementChild;
    const broken = desk.tickets.filter((t) => OPEN_STATES.has(t.state)).length;
    const count = id === 'board' ? broken : seats.get(id)?.unread ?? 0;
    badge.hidden = count === 0;
    badge.classList.toggle('badge-quiet', id === 'board');
    setText(badge, count > 99 ? '99+' : String(count));
  }
}

let toastTimer = 0;
function toast(text) {
  setText($('toast'), text);
  $('toast').hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { $('toast').hidden = true; }, 6000);
}

// ---- start

tabFor('board', '工单');
for (const button of document.querySelectorAll('[data-forward]')) {
  button.addEventListener('click', () => move({ forward_ms: Number(button.dataset.forward) }, button));
}
$('to-next').addEventListener('click', () => move({ to_next: true }, $('to-next')));
$('guide-close').addEventListener('click', () => { stored.set('guide', 'closed'); showGuide(); $('guide-open').focus(); });
$('guide-open').addEventListener('click', () => { stored.set('guide', 'open'); showGuide(); $('guide-close').focus(); });
$('toast').addEventListener('click', () => { $('toast').hidden = true; });
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && openStory !== null && !event.defaultPrevented && event.target.tagName !== 'TEXTAREA') closeStory();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
setInterval(tick, 1000);
setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
link.open();
refresh(true);
