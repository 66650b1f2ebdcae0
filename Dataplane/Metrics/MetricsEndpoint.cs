using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prometheus;

namespace FastExit.Metrics;

/// <summary>`GET /metrics` in Prometheus text format 0.0.4 on its own small Kestrel; every other path is 404. Reads, never writes, the cores.</summary>
internal sealed class MetricsEndpoint : IAsyncDisposable
{
    public const string Path = "/metrics";

    private const int MaximumConnections = 32;
    private const int MaximumRequestBytes = 8 << 10;
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(2);

    private readonly WebApplication _application;

    private MetricsEndpoint(WebApplication application, Uri address)
    {
        _application = application;
        Address = address;
    }

    public Uri Address { get; }

    /// <exception cref="IOException">The address is taken or not of this machine.</exception>
    public static async Task<MetricsEndpoint> StartAsync(IPEndPoint listen, CollectorRegistry registry)
    {
        // Empty: neither environment variables nor files of the working directory configure this server.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxConcurrentConnections = MaximumConnections;
            options.Limits.MaxRequestBodySize = 0;
            options.Limits.MaxRequestHeadersTotalSize = MaximumRequestBytes;
            options.Limits.MaxRequestLineSize = MaximumRequestBytes;
            options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
            options.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
            options.Listen(listen, endpoint => endpoint.Protocols = HttpProtocols.Http1);
        });

        var application = builder.Build();
        application.Run(context => AnswerAsync(context, registry));
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        var bound = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return new MetricsEndpoint(application, new Uri(new Uri(bound), Path));
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(s_stopPatience);
        await _application.StopAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _application.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task AnswerAsync(HttpContext context, CollectorRegistry registry)
    {
        var response = context.Response;
        if (context.Request.Path != Path)
        {
            response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        if (!HttpMethods.IsGet(context.Request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = HttpMethods.Get;
            return;
        }

        response.ContentType = PrometheusConstants.ExporterContentTypeValue.ToString();
        await registry.CollectAndExportAsTextAsync(response.Body, context.RequestAborted).ConfigureAwait(false);
    }
}
