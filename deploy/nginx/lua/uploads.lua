-- Request bodies: each must arrive within one time limit, large ones are bounded in number while they arrive, and all of
-- them in bytes while they are at the model server, whose memory holds each several times.
--
-- nginx's client_body_timeout bounds only the pause between two reads, so a client that sends a byte every few seconds
-- could hold its place for days. State is kept per nginx worker process; there is one.

local uploads = {}

local SMALL = 1024 * 1024 -- bytes; nginx keeps such a body in memory (client_body_buffer_size)

local NO_MATTER = 64 * 1024 -- bytes; smaller bodies are not counted
local LOOK_EVERY_S = 0.02

local settings -- timeout_s, most_read, wait_s, most_bytes: see configure
local held = {} -- what a request counts as, by its key
local reading = {} -- large bodies that arrive now, by client address
local count = { reading = 0, addresses = 0, bytes = 0 }

-- Sets timeout_s (for one body to arrive), most_read (large bodies that may arrive at once), most_bytes (of bodies that may
-- be at the server at once) and wait_s (how long the next one waits for its turn).
function uploads.configure(values)
    settings = values
end

local function key()
    return ngx.var.connection .. "/" .. ngx.var.connection_requests
end

local function is_large()
    if ngx.var.http_transfer_encoding then
        return true -- its length is not known
    end
    return (tonumber(ngx.var.http_content_length) or 0) >= SMALL
end

-- When all places are taken, an address may hold its share of them and no more, so that nobody is locked out.
local function has_place(address)
    local own = reading[address] or 0
    local addresses = count.addresses + (own == 0 and 1 or 0)
    return count.reading < settings.most_read or own < settings.most_read / addresses
end

local function begin_reading()
    local address = ngx.var.binary_remote_addr
    if not has_place(address) then
        return false
    end
    if not reading[address] then
        count.addresses = count.addresses + 1
    end
    reading[address] = (reading[address] or 0) + 1
    count.reading = count.reading + 1
    held[key()] = { reading = address }
    return true
end

local function end_reading(address)
    count.reading = count.reading - 1
    reading[address] = reading[address] - 1
    if reading[address] == 0 then
        reading[address] = nil
        count.addresses = count.addresses - 1
    end
end

local function read_body()
    ngx.req.read_body()
    return true
end

local function wait()
    ngx.sleep(settings.timeout_s)
    return false
end

-- Reads the body. Returns whether it arrived in time.
local function read_in_time()
    local reader = ngx.thread.spawn(read_body)
    local state = coroutine.status(reader)
    if state == "dead" or state == "zombie" then
        return true -- it was there already
    end
    local clock = ngx.thread.spawn(wait)
    local ok, is_read = ngx.thread.wait(reader, clock)
    ngx.thread.kill(ok and is_read and clock or reader)
    return ok and is_read
end

-- Reads the request's body and waits until the server has room for it.
-- Returns nil, or the name of the error to answer with.
function uploads.receive()
    local large = is_large()
    if large and not begin_reading() then
        return "too-many-requests"
    end
    if not read_in_time() then
        return "upload-timeout"
    end
    uploads.release()
    local bytes = tonumber(ngx.var.request_length)
    if bytes < NO_MATTER then
        return nil
    end
    local waited = 0
    while count.bytes > 0 and count.bytes + bytes > settings.most_bytes do
        if waited >= settings.wait_s then
            return "too-many-requests"
        end
        ngx.sleep(LOOK_EVERY_S)
        waited = waited + LOOK_EVERY_S
    end
    count.bytes = count.bytes + bytes
    held[key()] = { bytes = bytes }
    return nil
end

-- Gives back what the request holds. Runs in the log phase too, which a client that goes away does not skip.
function uploads.release()
    local own = key()
    local place = held[own]
    if not place then
        return
    end
    held[own] = nil
    if place.reading then
        end_reading(place.reading)
    else
        count.bytes = count.bytes - place.bytes
    end
end

return uploads
