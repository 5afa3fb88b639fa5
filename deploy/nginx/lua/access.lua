-- Who may ask: names that are served, pages of this site or of an allowed one, holders of the management token.

local access = {}

local function fail(name)
    return ngx.exec("/errors/" .. name)
end

function access.check()
    if ngx.var.is_known_host == "0" then
        return fail("host-not-allowed")
    end
    if ngx.var.is_foreign == "1" then
        return fail("origin-not-allowed")
    end
end

-- The same, and the header Authorization that TorchServe's management wants.
function access.check_management()
    local wanted = ngx.shared.marina:get("management")
    if not wanted or ngx.var.http_authorization ~= wanted then
        return fail("unauthorized")
    end
    return access.check()
end

return access
