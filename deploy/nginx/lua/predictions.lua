-- A prediction's way through the reverse proxy: its body, the server's answer, one more try if a worker is lost.
--
-- The sign that tells a handler's answer from a model server's own error is the header X-Batch-Size. The handler's answer
-- passes as it is, whatever its status. The server's own errors (a Java exception's name, pieces of the input) never do.

local uploads = require "uploads"

local predictions = {}

local shared = ngx.shared.marina
-- Where a prediction is asked for: the second time within the half of the model's deadline that is left. There is no
-- third time: an input that ends its worker would take one batch after another down.
local PLACES = { "/model-server/", "/model-server-again/" }
local deadlines = {} -- seconds, by what the server calls the model

-- Sets the deadline of each model, in seconds.
function predictions.configure(values)
    deadlines = values
end

local function fail(name)
    return ngx.exec("/errors/" .. name)
end

-- The headers that a handler has set, or nil if the answer is the server's own.
local function handler_headers(answer)
    local header = answer.header
    if header["X-Batch-Size"] then
        return {
            ["Content-Type"] = header["Content-Type"],
            ["Server-Timing"] = header["Server-Timing"],
            ["X-Batch-Size"] = header["X-Batch-Size"],
        }
    end
    -- MMS takes no headers from a worker; they are parameters of the content type (handlers/replies.py).
    local content_type = header["Content-Type"]
    local batch = type(content_type) == "string" and content_type:match('x%-batch%-size="([^"]*)"')
    if not batch then
        return nil
    end
    return {
        ["Content-Type"] = content_type:match("^[^;]*"),
        ["Server-Timing"] = content_type:match('server%-timing="([^"]*)"'),
        ["X-Batch-Size"] = batch,
    }
end

local function pass_on(answer, headers)
    ngx.status = answer.status
    for name, value in pairs(headers) do
        ngx.header[name] = value
    end
    ngx.header["Content-Length"] = #answer.body
    ngx.print(answer.body)
end

-- A worker that dies over a batch: 500 or 507 of TorchServe and MMS; 502 if the server itself dies.
local LOST = { [500] = true, [502] = true, [507] = true }

local ERRORS = {
    [404] = "not-found",
    [408] = "deadline-exceeded",
    [413] = "payload-too-large",
    [503] = "busy",
    [504] = "deadline-exceeded",
}

-- From this share of its deadline on, a request counts as late: the server ends a worker that is too slow a moment before
-- nginx gives up.
local LATE = 0.95

local function is_token_error(answer)
    return answer.body:find("InvalidKeyException", 1, true) ~= nil
end

local function ask(location)
    return ngx.location.capture(location, { method = ngx.HTTP_POST, always_forward_body = true })
end

-- Answers a prediction of the model that the server calls `target`.
function predictions.answer(target)
    if not shared:get("authorization") then
        return fail("not-ready")
    end
    local refused = uploads.receive()
    if refused then
        return fail(refused)
    end
    -- Behind a load balancer, the second try is another replica's.
    local balanced = ngx.var.http_x_marina_balanced
    local first, last = 1, 2
    if balanced then
        first = balanced == "again" and 2 or 1
        last = first
    end
    local begin = ngx.now()
    local answer, waited
    for try = first, last do
        answer = ask(PLACES[try] .. target)
        local headers = handler_headers(answer)
        if headers then
            uploads.release() -- not when the client has read it all
            return pass_on(answer, headers)
        end
        if answer.header["X-Marina-Unreachable"] then
            return fail("not-ready")
        end
        ngx.update_time()
        waited = ngx.now() - begin
        if not LOST[answer.status] or waited > deadlines[target] / 2 then
            break
        end
    end
    if LOST[answer.status] and waited < LATE * deadlines[target] then
        return fail(balanced and "worker-lost-balanced" or "worker-lost")
    end
    if LOST[answer.status] then
        return fail("deadline-exceeded")
    end
    if is_token_error(answer) then
        return fail("not-ready") -- the server has restarted; the supervisor is about to send the new token
    end
    return fail(ERRORS[answer.status] or "internal-error")
end

-- Headers that belong to one connection, or that nginx sets itself.
local OWN = {
    ["connection"] = true,
    ["content-length"] = true,
    ["date"] = true,
    ["keep-alive"] = true,
    ["server"] = true,
    ["transfer-encoding"] = true,
}

-- Forwards a prediction to one of several replicas.
function predictions.balance()
    local refused = uploads.receive()
    if refused then
        return fail(refused)
    end
    local answer = ask("/replica")
    if answer.status == 502 then
        answer = ask("/replica-again")
    end
    uploads.release()
    if answer.status == 502 then
        return fail("worker-lost")
    end
    if answer.status == 504 and not answer.header["Content-Type"] then
        return fail("deadline-exceeded")
    end
    local headers = {}
    for name, value in pairs(answer.header) do
        if not OWN[name:lower()] then
            headers[name] = value
        end
    end
    return pass_on(answer, headers)
end

return predictions
