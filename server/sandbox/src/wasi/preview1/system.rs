//! What programs have besides files: their arguments, coarse clocks, random bytes, waiting.

use super::memory::{Memory, behind};
use super::{Answer, Descriptor, Fault, Preview1, number};
use crate::wasi::clocks::{MonotonicClock, WallClock};
use std::time::Duration;
use wasmtime::{Caller, Extern};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Random bytes that are made at a time: between them it is looked whether the time is up.
const RANDOM_CHUNK: usize = 64 << 10;
/// What one call may wait for.
const MAX_SUBSCRIPTIONS: u32 = 4_096;
/// Sizes of a subscription and of an event.
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Time and resolution of a clock, in nanoseconds.
fn clock(wall: &WallClock, monotonic: &MonotonicClock, id: u32) -> Result<(u64, u64), Fault> {
    match id {
        0 => Ok((nanos(wall.now()), nanos(wall.resolution()))),
        1 => Ok((monotonic.now(), monotonic.resolution())),
        // What a processor did is nobody's concern.
        _ => Err(Fault::Number(number::NOT_SUPPORTED)),
    }
}

impl Preview1 {
    pub(super) fn args_get(&mut self, mut memory: Memory<'_>, argv: u32, buffer: u32) -> Answer {
        let (mut slot, mut at) = (argv, buffer);
        for argument in &self.arguments {
            memory.put_u32(slot, at)?;
            // A NUL would end it early; the program finds what is before it.
            memory.put(at, argument.as_bytes())?;
            let len = u32::try_from(argument.len()).unwrap_or(u32::MAX);
            let end = behind(at, len)?;
            memory.put(end, &[0])?;
            at = behind(end, 1)?;
            slot = behind(slot, 4)?;
        }
        Ok(())
    }

    pub(super) fn args_sizes_get(
        &mut self,
        mut memory: Memory<'_>,
        count: u32,
        size: u32,
    ) -> Answer {
        let bytes: usize = self.arguments.iter().map(|text| text.len() + 1).sum();
        let number = |n: usize| u32::try_from(n).map_err(|_| Fault::Number(number::RANGE));
        memory.put_u32(count, number(self.arguments.len())?)?;
        memory.put_u32(size, number(bytes)?)
    }

    pub(super) fn environ_get(&mut self, _: Memory<'_>, _: u32, _: u32) -> Answer {
        Ok(())
    }

    pub(super) fn environ_sizes_get(
        &mut self,
        mut memory: Memory<'_>,
        count: u32,
        size: u32,
    ) -> Answer {
        memory.put_u32(count, 0)?;
        memory.put_u32(size, 0)
    }

    pub(super) fn clock_res_get(&mut self, mut memory: Memory<'_>, id: u32, at: u32) -> Answer {
        let (_, resolution) = clock(&self.wall, &self.monotonic, id)?;
        memory.put_u64(at, resolution)
    }

    pub(super) fn clock_time_get(
        &mut self,
        mut memory: Memory<'_>,
        id: u32,
        _precision: u64,
        at: u32,
    ) -> Answer {
        let (now, _) = clock(&self.wall, &self.monotonic, id)?;
        memory.put_u64(at, now)
    }

    pub(super) fn random_get(&mut self, mut memory: Memory<'_>, buffer: u32, len: u32) -> Answer {
        for chunk in memory.part_mut(buffer, len)?.chunks_mut(RANDOM_CHUNK) {
            self.meter.check_time()?;
            getrandom::fill(chunk).map_err(|error| {
                let message = format!("there are no random bytes: {error}");
                Fault::Stopped(wasmtime::Error::msg(message))
            })?;
        }
        Ok(())
    }

    pub(super) fn sched_yield(&mut self, _: Memory<'_>) -> Answer {
        Ok(())
    }

    pub(super) fn proc_raise(&mut self, _: Memory<'_>, _: u32) -> Answer {
        Err(Fault::Number(number::NOT_SUPPORTED))
    }

    pub(super) fn sock_accept(&mut self, _: Memory<'_>, _: u32, _: u32, _: u32) -> Answer {
        Err(Fault::Number(number::NOT_SUPPORTED))
    }

    pub(super) fn sock_recv(
        &mut self,
        _: Memory<'_>,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
    ) -> Answer {
        Err(Fault::Number(number::NOT_SUPPORTED))
    }

    pub(super) fn sock_send(
        &mut self,
        _: Memory<'_>,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
    ) -> Answer {
        Err(Fault::Number(number::NOT_SUPPORTED))
    }

    pub(super) fn sock_shutdown(&mut self, _: Memory<'_>, _: u32, _: u32) -> Answer {
        Err(Fault::Number(number::NOT_SUPPORTED))
    }
}

/// One thing that a program waits for.
struct Subscription {
    user_data: u64,
    /// 0: a clock, 1: reading, 2: writing.
    kind: u8,
    /// Nanoseconds until a clock's time, or the error of what cannot be waited for.
    wait: Result<u64, u32>,
    /// Whether what is read has come to its end.
    ended: bool,
}

impl Preview1 {
    fn subscription(&self, memory: &Memory<'_>, at: u32) -> Result<Subscription, Fault> {
        let user_data = memory.u64(at)?;
        let kind = memory.part(behind(at, 8)?, 1)?.first().copied();
        let kind = kind.unwrap_or(u8::MAX);
        let body = behind(at, 16)?;
        let mut ended = false;
        let wait = match kind {
            0 => {
                let (id, when) = (memory.u32(body)?, memory.u64(behind(body, 8)?)?);
                let absolute = memory.u32(behind(body, 24)?)? & 1 == 1;
                match clock(&self.wall, &self.monotonic, id) {
                    Ok((now, _)) if absolute => Ok(when.saturating_sub(now)),
                    Ok(_) => Ok(when),
                    Err(Fault::Number(number)) => Err(number),
                    Err(stopped) => return Err(stopped),
                }
            }
            // Files and streams of ours never keep anyone waiting.
            1 | 2 => match self.descriptors.get(&memory.u32(body)?) {
                Some(Descriptor::Input) => {
                    ended = true;
                    Ok(0)
                }
                Some(_) => Ok(0),
                None => Err(number::BAD_DESCRIPTOR),
            },
            _ => return Err(Fault::Number(number::INVALID)),
        };
        Ok(Subscription {
            user_data,
            kind,
            wait,
            ended,
        })
    }
}

/// Waits for the first of what is subscribed to.
pub(super) fn poll_oneoff<'a>(
    mut caller: Caller<'a, Preview1>,
    (subscriptions, events, count, told): (u32, u32, u32, u32),
) -> Box<dyn Future<Output = wasmtime::Result<u32>> + Send + 'a> {
    Box::new(async move {
        let waiting = {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                return Ok(number::FAULT);
            };
            let (bytes, host) = memory.data_and_store_mut(&mut caller);
            host.meter.check_time()?;
            if !(1..=MAX_SUBSCRIPTIONS).contains(&count) {
                return Ok(number::INVALID);
            }
            let memory = Memory(bytes);
            let one = |n: u32| host.subscription(&memory, behind(subscriptions, n * SUBSCRIPTION)?);
            match (0..count).map(one).collect::<Result<Vec<_>, _>>() {
                Ok(waiting) => waiting,
                Err(fault) => return super::told(Err(fault)),
            }
        };
        let first = waiting.iter().map(|one| one.wait.unwrap_or(0)).min();
        let first = first.unwrap_or(0);
        if first > 0 {
            tokio::time::sleep(Duration::from_nanos(first)).await;
        }
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            return Ok(number::FAULT);
        };
        let (bytes, host) = memory.data_and_store_mut(&mut caller);
        host.meter.check_time()?;
        let mut memory = Memory(bytes);
        let ready = waiting.iter().filter(|one| one.wait.unwrap_or(0) <= first);
        super::told(tell(&mut memory, events, ready, told))
    })
}

fn tell<'a>(
    memory: &mut Memory<'_>,
    events: u32,
    ready: impl Iterator<Item = &'a Subscription>,
    told: u32,
) -> Answer {
    let mut number = 0;
    for one in ready {
        let at = behind(events, number * EVENT)?;
        let mut event = [0; EVENT as usize];
        event[..8].copy_from_slice(&one.user_data.to_le_bytes());
        let error = u16::try_from(one.wait.err().unwrap_or(0)).unwrap_or(u16::MAX);
        event[8..10].copy_from_slice(&error.to_le_bytes());
        event[10] = one.kind;
        // Of a stream that has ended: it was hung up.
        event[24] = u8::from(one.ended);
        memory.put(at, &event)?;
        number += 1;
    }
    memory.put_u32(told, number)
}
