using FastExit.Configuration;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using FastExit.Native.Tun;

namespace FastExit.IpPacketRouter.Host;

/// <summary>
/// The host's side of the tunnel (ipr.md §4.1, §4.5): device with addresses, forwarding, and the exit's own nftables table, which is
/// named after the device so that several exits share a host. All of it is gone after <see cref="Dispose"/>, and after a kill too; only
/// the kernel's forwarding switches stay as they were set. A thread of its own watches: what somebody deletes or sets down is made again,
/// and every core is offered its queue of the new device.
/// </summary>
internal sealed class TunnelHost : IDisposable
{
    private static readonly TimeSpan s_wait = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_shortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    private readonly IpPacketRouterSettings _settings;
    private readonly PublishedHealth _health;
    private readonly Action<string> _log;
    private readonly RouteNetlink _routes = new();
    private readonly LinkMonitor _monitor = new();
    private readonly TunQueueDevice?[] _attached;
    private readonly Lock _queues = new();
    private readonly HashSet<string> _said = [];
    private readonly Thread _watch;
    private readonly TunnelPlan _plan;
    private TunDevice _device;
    private TunDevice? _retired;
    private NetfilterTable? _table;
    private string _unroutable = "";
    private TimeSpan _pause = s_shortestPause;
    private volatile bool _lost;
    private volatile bool _stopping;

    private TunnelHost(IpPacketRouterSettings settings, int queues, PublishedHealth health, Action<string> log)
    {
        _settings = settings;
        _health = health;
        _log = log;
        _attached = new TunQueueDevice?[queues];
        TunnelPlan wanted = TunnelPlan.From(settings, queues, log);
        TunDevice? device = null;
        try
        {
            device = wanted.Make(_routes);
            _device = device;
            _plan = wanted with { Name = device.Name };
            foreach (TunnelPrefix prefix in _plan.Prefixes)
                HostForwarding.Require(prefix.IsIPv6, settings.SetForwarding, _routes, log);
            if (settings.Nat)
                _table = InstallTable();
            log($"tunnel device {_plan.Name}: {string.Join(", ", _plan.Prefixes)}, MTU {_plan.Mtu}, queues {queues}, offload {device.Offload}");
            foreach (string warning in _table?.Warnings ?? NetfilterTable.DroppingChains(_plan.Name))
                log($"WARNING: {warning}");
            PublishHealth();
        }
        catch
        {
            device?.Dispose();
            Close();
            throw;
        }

        _watch = new Thread(Watch) { IsBackground = true, Name = "tunnel watch" };
    }

    public string DeviceName => _plan.Name;

    /// <summary>The nftables table, or null without ipr.nat.</summary>
    public string? TableName => _table?.TableName;

    /// <summary>Whether the device takes large UDP frames.</summary>
    public bool TakesLargeUdp => (_device.Offload & (TunOffload.UdpV4 | TunOffload.UdpV6)) != 0;

    /// <summary>Own addresses and the networks of the clients, of the families that are carried.</summary>
    public IEnumerable<TunnelPrefix> Prefixes => _plan.Prefixes;

    /// <param name="settings">Validated.</param>
    /// <param name="queues">One for each core.</param>
    /// <param name="health">Told whether packets get out.</param>
    /// <param name="log">Warnings and what was changed, a line each; from any thread.</param>
    /// <exception cref="NativeException">What the kernel refused, with its mend; nothing is left behind.</exception>
    /// <exception cref="Commands.CommandException">What the settings do not allow.</exception>
    public static TunnelHost Start(IpPacketRouterSettings settings, int queues, PublishedHealth health, Action<string> log)
    {
        var host = new TunnelHost(settings, queues, health, log);
        host._watch.Start();
        return host;
    }

    /// <summary>Builds a core's end of its queue from the queue's descriptor; it is offered another when the device is replaced.</summary>
    public TunQueueDevice Attach(int queue, Func<int, TunQueueDevice> build)
    {
        lock (_queues)
        {
            TunQueueDevice built = build(_device.Queues[queue].Fd);
            _attached[queue] = built;
            return built;
        }
    }

    /// <summary>From any thread: a queue fails. Does not block.</summary>
    public void NoticeLoss() => _lost = true;

    /// <summary>Call it when no core uses its queue any more.</summary>
    public void Dispose()
    {
        _stopping = true;
        if (_watch.IsAlive)
            _watch.Join();
        try
        {
            // The rings let go of their queues a little later; routes and addresses go now.
            if (_routes.FindLink(_plan.Name) is { } link && link.Index == _device.InterfaceIndex)
                _routes.DeleteLink(link.Index);
        }
        catch (NativeException)
        {
            // It goes with the last queue.
        }

        _device.Dispose();
        _retired?.Dispose();
        Close();
    }

    private void Close()
    {
        _table?.Dispose();
        _monitor.Dispose();
        _routes.Dispose();
    }

    private NetfilterTable InstallTable() => NetfilterTable.Install(new NetfilterOptions
    {
        Name = TableSuffix(_plan.Name),
        Device = _plan.Name,
        PoolIPv4 = _plan.IPv4?.Network,
        PoolIPv6 = _plan.IPv6?.Network,
        // With client_to_client the cores pass such packets on without the host.
        DropDeviceToDevice = true,
    });

    /// <summary>A device's name in a table's alphabet; no two devices get the same.</summary>
    internal static string TableSuffix(string device) =>
        string.Concat(device.Select(c => char.IsAsciiLetterOrDigit(c) ? c.ToString() : $"_{(int)c:x2}"));

    private void Watch()
    {
        long nextLook = Environment.TickCount64 + (long)s_look.TotalMilliseconds;
        long quietUntil = 0;
        bool heard = false;
        while (!_stopping)
        {
            if (_monitor.TryNext(s_wait, out LinkChange? change) && change!.Link.Index == _device.InterfaceIndex)
                heard |= change.Deleted || !change.Link.IsUp;
            long now = Environment.TickCount64;
            if (now < quietUntil || !(heard || _lost || now >= nextLook))
                continue;
            heard = false;
            _lost = false;
            bool wasWell = TryLook();
            if (wasWell && now - quietUntil > s_longestPause.TotalMilliseconds)
                _pause = s_shortestPause;
            if (!wasWell)
            {
                // Whoever keeps undoing it is not fought all day, and each replaced device lives until long after the cores left it.
                quietUntil = Environment.TickCount64 + (long)_pause.TotalMilliseconds;
                _pause = _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
            }

            nextLook = Environment.TickCount64 + (long)(wasWell ? s_look : s_wait).TotalMilliseconds;
        }
    }

    /// <summary>True when nothing had to be mended.</summary>
    private bool TryLook()
    {
        try
        {
            bool wasWell = Mend();
            if (_said.Count > 0)
                _log($"the tunnel device {_plan.Name} carries packets again");
            _said.Clear();

            PublishHealth();
            return wasWell;
        }
        catch (NativeException failure)
        {
            _health.Routable = false;
            Say($"{failure.Message.TrimEnd('.')}; tried again at most a minute later");
            return false;
        }
    }

    private bool Mend()
    {
        if (_routes.FindLink(_plan.Name) is not { } link || link.Index != _device.InterfaceIndex)
        {
            Link? renamed = _routes.Links().FirstOrDefault(other => other.Index == _device.InterfaceIndex);
            Say($"the tunnel device {_plan.Name} was {(renamed is null ? "deleted" : $"renamed to {renamed.Name}")} underneath; it is made again");
            if (renamed is not null)
                _routes.DeleteLink(renamed.Index);
            Replace(_plan.Make(_routes));
            return false;
        }

        var missing = _plan.Prefixes.Select(prefix => prefix.Address)
            .Except(_routes.Addresses().Where(address => address.Index == link.Index).Select(address => address.Address))
            .ToList();
        if (!link.IsUp || missing.Count > 0)
        {
            Say(link.IsUp
                ? $"the tunnel device {_plan.Name} lost its address {string.Join(", ", missing)}; it gets it again"
                : $"the tunnel device {_plan.Name} was set down; it is set up again");
            _plan.Raise(_routes, link.Index);
            return false;
        }

        if (_table is not null && !_table.Exists())
        {
            Say($"the nftables table {_table.TableName} was deleted; it is made again");
            _table.Dispose();
            _table = InstallTable();
            return false;
        }

        OfferToLost();
        return true;
    }

    private void Replace(TunDevice device)
    {
        lock (_queues)
        {
            // Cores take an offered queue at their next tick, so the one before the last is in nobody's hands.
            _retired?.Dispose();
            _retired = _device;
            _device = device;
            for (int queue = 0; queue < _attached.Length; queue++)
                _attached[queue]?.Offer(device.Queues[queue].Fd);
        }
    }

    private void OfferToLost()
    {
        lock (_queues)
        {
            for (int queue = 0; queue < _attached.Length; queue++)
            {
                if (_attached[queue] is { IsUp: false } device)
                    device.Offer(_device.Queues[queue].Fd);
            }
        }
    }

    /// <summary>Packets get out if at least one family is forwarded and has a route out of this host.</summary>
    private void PublishHealth()
    {
        var missing = new List<string>();
        bool anyFamily = false;
        foreach (bool ipv6 in _plan.Prefixes.Select(prefix => prefix.IsIPv6))
        {
            bool forwards = HostForwarding.IsOn(ipv6);
            bool hasRoute = HostForwarding.HasDefaultRoute(_routes, ipv6);
            anyFamily |= forwards && hasRoute;
            if (!forwards)
                missing.Add($"{HostForwarding.Dotted(HostForwarding.KeyOf(ipv6))} is off");
            if (!hasRoute)
                missing.Add($"this host has no default route for {HostForwarding.FamilyOf(ipv6)}");
        }

        _health.Routable = anyFamily;
        string unroutable = string.Join(", ", missing);
        if (unroutable != _unroutable)
            _log(missing.Count == 0 ? "clients' packets of every family find a way out of this host" : $"WARNING: {unroutable}: clients' packets of that family end here");
        _unroutable = unroutable;
    }

    /// <summary>Every trouble once until it is over, however often the mend is tried.</summary>
    private void Say(string trouble)
    {
        if (_said.Add(trouble))
            _log($"WARNING: {trouble}");
    }
}
